"""Parts of the GPU check, in small on the CPU: peaks of memory, speed, and the report."""

import json
from dataclasses import replace
from types import SimpleNamespace

import gpu_check
import pytest
import torch
from codetune.models.loading import load_base
from codetune.models.memory import RowLimit
from codetune.models.quantization import linear_4bit
from codetune.prompts.packing import pack
from codetune.study.method import Quantization
from common import RESULTS
from gpu import decoding_speed, peaks, speed, training_speed
from gpu.findings import LIMIT, CheckResult, Finding, PartResult
from gpu.report import IN_SMALL, issue_lines, slug, write_report
from gpu.weights import _random_weights, random_base, shape_of
from memory import samples_of as samples_worked_out
from transformers import AutoConfig, AutoModelForCausalLM

FP32 = Quantization("nf4", double=True, compute_dtype="float32")
WORKED_OUT = peaks.WorkedOut(allocated=16.0, reserved=17.5, all=18.1)
OK = Finding("driver", "580 or later", "580.65", ok=True)
OFF = Finding("NF4 | codes", "the CPU's\nbits", "3 of 4,096 differ", ok=False)
ONLY_SAID = Finding("bandwidth", "-", "71%", ok=None)


# Random weights


@pytest.mark.parametrize("name", ["qwen2.5-1.5b", "phi-3-mini", "gemma-2-2b"])
def test_random_weights_are_in_4_bits_as_those_of_a_checkpoint(tmp_path, name):
    shape, ids = shape_of(name, small=True), torch.arange(3, 40)[None]
    model = random_base(shape, FP32)
    plain = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(**shape, bos_token_id=1, eos_token_id=2, pad_token_id=0), dtype=torch.float32
    )
    plain.load_state_dict(
        {key: value.clone() for key, value in _random_weights(plain, torch.float32).items()}, strict=False
    )
    plain.save_pretrained(tmp_path)
    loaded = load_base(tmp_path, FP32)
    assert len(linear_4bit(model)) == len(linear_4bit(loaded)) > 0
    with torch.no_grad():
        assert torch.equal(model(ids).logits, loaded(ids).logits)
        assert torch.equal(model(ids).logits, random_base(shape, FP32)(ids).logits), "the same each time"


def test_no_two_random_matrices_are_alike():
    skeleton = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape_of("llama-3.2-1b", small=True)))
    weights = [value for value in _random_weights(skeleton, torch.float32).values() if value.dim() == 2]
    assert len({tuple(value.flatten()[:64].tolist()) for value in weights}) == len(weights) > 10
    assert all(value.std() == pytest.approx(0.02, rel=0.2) for value in weights)


# Peaks


def test_the_peaks_are_the_two_highest_that_were_worked_out():
    table = json.loads(RESULTS.read_text())["parts"]["memory"]
    for kind, name in (("training", peaks.TRAINED), ("generation", peaks.DECODED)):
        assert name == max(table[kind], key=lambda model: table[kind][model]["sum"])
        found = peaks.worked_out(kind, name)
        facts = table[kind][name]
        others = found.allocated - facts["weights"]
        assert facts["weights"] + 1.1 * others + 0.6 == pytest.approx(found.all)
        assert found.reserved == pytest.approx(found.all - 0.6)
        assert facts["kept"] < others, "what is kept for the backward pass, or the cache, and more"


def test_both_jobs_run_in_small_and_nothing_is_said_of_memory():
    trained, no_memory, decoded, none_either = peaks.check(small=True)
    assert trained.ok is decoded.ok is True
    assert trained.found.startswith("2 steps of 2 micro-batches of 4 x 64 tokens")
    assert "x (64 + 8) tokens" in decoded.found
    for finding in (no_memory, none_either):
        assert (finding.ok, finding.found) == (None, "not measured: there is no GPU")


def test_samples_are_the_worst_that_was_worked_out():
    rows = peaks.plan_of(peaks.TRAINED, peaks.FULL).memory.micro_batch
    samples = peaks.samples_of(rows, peaks.FULL, 1000)
    assert [len(sample) for sample in samples] == samples_worked_out(rows, peaks.FULL.length)
    assert len(pack([len(sample) for sample in samples], peaks.FULL.length)) == rows
    assert all(len(sample.prompt) == 1 for sample in samples), "the output layer computes almost all positions"


@pytest.mark.parametrize(
    ("allocated", "reserved", "verdicts"),
    [
        (16.0, 17.0, [True, True, True]),
        (17.5, 17.6, [True, False, True]),
        (18.0, 19.0, [False, False, True]),
        (14.0, 17.0, [False, True, True]),
        (16.0, 21.5, [True, False, False]),
    ],
)
def test_peaks_are_held_against_what_was_worked_out(allocated, reserved, verdicts):
    assert [finding.ok for finding in peaks.peaks("t", WORKED_OUT, allocated, reserved, taken=0.5)] == verdicts


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried"), ModuleNotFoundError("no trl")])
def test_a_job_that_fails_is_off_and_has_no_peaks(error):
    def fails():
        raise error

    (found,) = peaks.measure("training, x", WORKED_OUT, fails)
    assert found.ok is False
    assert str(error) in found.found


def test_a_divided_micro_batch_is_a_lack_of_memory(monkeypatch):
    """The trainer goes on with fewer sequences at once, and the peak would be that of fewer."""

    def once(self, compute, count, undo):
        if self.rows > 1:
            self.rows //= 2
        return [compute(slice(start, start + self.rows)) for start in range(0, count, self.rows)]

    monkeypatch.setattr(RowLimit, "map", once)
    with pytest.raises(RuntimeError, match="out of memory with 4 sequences at once"):
        peaks.train(peaks.TRAINED, peaks.IN_SMALL, small=True)


# Speed


def test_what_peft_reached_stands_beside_it():
    assert speed.anchor().found == "26% of 362 TFLOP/s: 7,174 tokens/s, 92.6 TFLOP/s"


def test_speed_is_measured_in_small_and_no_goal_is_claimed():
    found = list(speed.check(small=True))
    assert all(finding.ok is None for finding in found), found
    assert [finding.check.split(",")[0] for finding in found] == ["limits of the card"] + ["training"] * 3 + [
        "decoding"
    ] * 3 + ["training"]
    assert "TFLOP/s in float32" in found[0].found
    for finding in found[2:5]:
        assert float(finding.found.split(" x: ")[0]) > 0
    assert "16 and 8 prompts, 8 with the same tokens" in found[4].found


def test_a_way_that_fails_is_named_and_the_fastest_other_counts():
    def rate_of(settings):
        if settings["fails"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return settings["rate"]

    ways = {"a": {"fails": True}, "b": {"fails": False, "rate": 50.0}, "c": {"fails": False, "rate": 80.0}}
    found, ok = speed._against(rate_of, list(ways), ways, ours=120.0, goal=1.0, small=False)()
    assert ok is True
    assert found == "1.50 x: 120 and 80 useful tokens/s (c); a failed: OutOfMemoryError: CUDA out of memory"
    assert speed._against(rate_of, ["c"], ways, ours=120.0, goal=3.0, small=False)()[1] is False
    alone = speed._against(rate_of, ["a"], ways, ours=120.0, goal=1.0, small=False)()
    assert alone == ("a failed: OutOfMemoryError: CUDA out of memory", False)


def test_without_trl_decoding_is_measured_all_the_same(monkeypatch):
    def no_trl(*_):
        raise ModuleNotFoundError("No module named 'pandas'")

    monkeypatch.setattr(training_speed.Trainings, "rate_of_ours", no_trl)
    found = list(speed.check(small=True))
    off = [finding for finding in found if finding.ok is False]
    assert [finding.found for finding in off] == ["ModuleNotFoundError: No module named 'pandas'"]
    assert sum(finding.check.startswith("decoding") for finding in found) == 3


def test_what_there_is_no_time_for_is_said(monkeypatch):
    monkeypatch.setenv(LIMIT, "40")
    found = list(speed.check(small=True))
    assert [finding.found for finding in found[1:-1]] == ["not run: no time is left"] * 2


def test_time_that_a_part_does_not_need_is_the_next_one_s(monkeypatch, tmp_path):
    now, given = [100.0], []

    def run(part, out, small, deadline, report):
        given.append(deadline)
        now[0] += {"a": 2.0, "b": 35.0, "c": 1.0, "d": 1.0}[part.name]

    monkeypatch.setattr(gpu_check, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(gpu_check, "run", run)
    parts = [gpu_check.Part(name, seconds) for name, seconds in (("a", 10), ("b", 20), ("c", 5), ("d", 50))]
    assert gpu_check.check(parts, tmp_path, "a card", small=False, deadline=150.0) == 0
    assert given == [110.0, 130.0, 142.0, 150.0], "b has 8 s more, and took too long; d has what is left"


def test_a_pass_is_one_optimizer_step_of_full_sequences():
    for sequences in (2, 8, 10):
        samples = training_speed.samples_that_fill(sequences, 1000)
        lengths = [len(sample) for sample in samples]
        assert len(samples) % training_speed.PEER_BATCH == 0
        assert len(pack(lengths, 1024)) == sequences
        assert sum(lengths) > (sequences - 1) * 1024


def test_only_steps_after_the_first_pass_are_timed(monkeypatch):
    ticks = iter([0, 5, 10, 12, 20, 23])  # a first pass of 5 s, then steps of 2 and 3 s, with other work between them
    monkeypatch.setattr(training_speed.time, "perf_counter", lambda: next(ticks))
    passes = training_speed.Passes(enough=4.0)
    for _ in range(2):
        passes.on_step_begin()
        passes.on_step_end()
        passes.on_epoch_end()
    passes.on_step_begin()
    passes.on_step_end()
    with pytest.raises(training_speed.Enough):
        passes.on_epoch_end()
    assert passes.seconds == [5, 2, 3]


def test_operations_are_counted_by_hand():
    trainings = training_speed.Trainings("llama-3.2-1b", small=True)
    hidden, inner, heads, keys, layers, vocabulary, r = 32, 64, 32, 16, 2, 256, 8
    shapes = [(hidden, heads), (hidden, keys), (hidden, keys), (heads, hidden)]
    shapes += [(hidden, inner), (hidden, inner), (inner, hidden)]
    frozen = layers * sum(a * b for a, b in shapes)
    adapter = layers * r * sum(a + b for a, b in shapes)
    completions = sum(len(s.completion) for s in trainings.samples) / sum(map(len, trainings.samples))
    expected = 4 * frozen + 6 * adapter + 4 * completions * vocabulary * hidden
    assert trainings.operations_per_token() == pytest.approx(expected)


def test_a_decoding_step_reads_weights_and_the_cache():
    decodings = decoding_speed.Decodings("llama-3.2-1b", small=True)
    decodings._base_after_writing_the_adapter()
    model = decodings.load()
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    one, many = decodings.step(model, 1), decodings.step(model, 5)
    a_token = 2 * 2 * 2 * 8 * 4  # keys and values, layers, key-value heads, head size, bytes
    tokens = decoding_speed.PROMPT + decoding_speed.STEPS / 2
    assert one.bytes == weights + tokens * a_token
    assert many.bytes == weights + 5 * tokens * a_token


# The report


def result(*parts, planned=("machine", "speed"), card="NVIDIA RTX A5000", small=False):
    environment = {"python": "3.12.1", "packages": {"torch": "2.11.0+cu130", "numpy": "2.4"}}
    made = [PartResult(name, 12.3, log, findings) for name, log, findings in parts]
    return CheckResult(card, small, "2026-11-26", "0123456789abcdef", environment, list(planned), made)


def test_the_report_says_what_is_off_in_lines_to_file(tmp_path):
    whole = result(("machine", tmp_path / "machine.log", [OK, OFF]), ("speed", tmp_path / "speed.log", [ONLY_SAID]))
    path = write_report(tmp_path, whole)
    assert path == tmp_path / "gpu-rtx-a5000.md"
    text = path.read_text()
    line = "GPU NVIDIA RTX A5000: machine: NF4 | codes: expected the CPU's bits, found 3 of 4,096 differ; log "
    line += f"{tmp_path}/machine.log"
    assert issue_lines(whole) == [line]
    assert text.endswith(f"\n## To file\n\n- {line}\n")
    assert "| machine | driver | 580 or later | 580.65 | yes |" in text
    assert "| machine | NF4 \\| codes | the CPU's bits | 3 of 4,096 differ | **no** |" in text
    assert "| speed | bandwidth | - | 71% | - |" in text
    assert "2026-11-26, commit 0123456789ab\n" in text
    assert "Python 3.12.1, torch 2.11.0+cu130\n" in text
    assert "parts: machine 12 s, speed 12 s\n" in text
    assert IN_SMALL not in text
    read = json.loads(path.with_suffix(".json").read_text())
    assert read["parts"][0]["findings"][1]["found"] == OFF.found
    assert sorted(tmp_path.iterdir()) == [path.with_suffix(".json"), path], "nothing unfinished is left"


def test_a_report_without_anything_off_has_nothing_to_file(tmp_path):
    whole = result(("machine", tmp_path / "machine.log", [OK, ONLY_SAID]), planned=["machine"])
    assert "To file" not in write_report(tmp_path, whole).read_text()
    assert issue_lines(whole) == []


def test_the_report_of_an_interrupted_check_says_what_was_not_run(tmp_path):
    stopped = replace(OFF, check="the part itself", expected="comes to its end", found="stopped")
    whole = result(("machine", tmp_path / "machine.log", [OK, stopped]))
    assert "parts: machine 12 s; not run: speed\n" in write_report(tmp_path, whole).read_text()
    assert "parts: none; not run: machine, speed\n" in write_report(tmp_path, result()).read_text()


def test_a_report_in_small_says_that_it_says_nothing_about_a_gpu(tmp_path):
    whole = result(("machine", tmp_path / "m.log", [OFF]), card="the CPU", small=True)
    path = write_report(tmp_path, whole)
    assert path.name == "gpu-small.md"
    assert IN_SMALL in path.read_text()
    assert issue_lines(whole)[0].startswith("in small, on the CPU: machine:")


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-80gb-hbm3"),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "a100-sxm4-40gb-mig-3g-20gb"),
        ("../../etc/passwd", "etc-passwd"),
        ("Karte µ/ß\n", "karte"),
        ("", "unknown"),
        ("NVIDIA", "unknown"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_card_s_name_is_safe_as_a_file_s(card, name):
    assert slug(card) == name
