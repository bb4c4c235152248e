"""The check of a GPU, tried in small on a CPU: what it finds, what it misses, and that a stop loses nothing."""

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import gpu_check
import pytest
import torch
from codetune.models.caches import GrowingLayer
from codetune.models.device import device
from conftest import ROOT
from gpu import architectures, fourbit, int8, memory_short, training_twice
from gpu.findings import Finding, read_findings, tried
from gpu_check import Part
from subjects import build, draw_samples

BENCHMARKS = ROOT / "benchmarks"
# What the check needs, with all that these need in turn. A machine with a GPU and torch may lack the rest of the lock.
NEEDED = ("torch", "transformers", "peft", "trl", "datasets", "bitsandbytes", "accelerate", "jinja2", "triton")
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Blocker())
"""


def with_needs(names):
    """These packages and all that they need."""
    found, seen, left = set(), set(), list(names)
    while left:
        name = re.sub("[-_.]+", "-", left.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        found.add(name)
        left += [re.match(r"[\w.-]+", need)[0] for need in needs if "extra ==" not in need]
    return found


def link_packages(names, folder):
    """Makes a folder in which Python finds these packages and no others."""
    folder.mkdir()
    for name in names:
        files = importlib.metadata.files(name) or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(importlib.metadata.distribution(name).locate_file(top))


def run(*arguments, python=sys.executable, env=None, **options):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **(env or {})}
    command = [python, BENCHMARKS / "gpu_check.py", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The whole check in small, from another folder and by a Python that has the packages that it needs alone."""
    folder = tmp_path_factory.mktemp("small")
    link_packages(with_needs(NEEDED), folder / "site-packages")  # a name that dill, with which datasets hash, goes by
    assert not {"msgspec", "snakemake", "pynvml", "rouge_score"} & {
        path.name for path in (folder / "site-packages").iterdir()
    }
    env = {
        "PYTHONPATH": str(folder / "site-packages"),
        "PYTHONNOUSERSITE": "yes",
        "CODETUNE_GPUS_ARE_ONLY_NAMES": "yes",  # as in a job
        "TORCH_LOGS": "not a setting",
    }
    done = run("--small", "--out", folder / "out", python=sys._base_executable, cwd=folder, env=env)
    return done, folder / "out"


def parts_of(out):
    result = json.loads(next(out.glob("gpu-*.json")).read_text())
    return {part["name"]: [Finding(**finding) for finding in part["findings"]] for part in result["parts"]}


def test_in_small_all_parts_come_to_their_end_and_find_nothing_off(small):
    done, out = small
    logs = "".join(path.read_text()[-3000:] for path in out.glob("*.log"))
    assert done.returncode == 0, logs + done.stdout + done.stderr
    found = parts_of(out)
    assert list(found) == [part.name for part in gpu_check.PARTS]
    assert all(found.values())
    assert [finding for findings in found.values() for finding in findings if finding.ok is False] == []
    assert "says nothing about a GPU" in done.stdout
    assert "says nothing about a GPU" in (out / "gpu-small.md").read_text()
    for findings in found.values():
        for finding in findings:
            assert f"{finding.check}: {finding.found}" in done.stdout
    assert {path.suffix for path in out.iterdir()} == {".md", ".json", ".jsonl", ".log"}, "nothing else is left"


def test_in_small_each_architecture_is_packed_and_decoded(small):
    found = {finding.check: finding for finding in parts_of(small[1])["architectures"]}
    models = list(architectures.subjects(small=True))
    assert len(models) == 8
    for model in models:
        assert found[f"{model}: attention"].expected == "packed_each"
        assert found[f"{model}: packed samples apart"].found.startswith("0 gradients outside; ")
        assert re.match(r"\d+ tokens of 12 prompts, identical$", found[f"{model}: decoding in float32"].found)


def test_in_small_trainings_are_killed_stopped_and_short_of_memory(small):
    found = {finding.check: finding.found for finding in parts_of(small[1])["training_twice"]}
    assert re.match(r"[\d.]+ s after step \d+; status -9$", found["SIGKILL at a random moment"])
    assert re.match(r"[\d.]+ s after step \d+; status 0$", found["SIGTERM at a random moment"])
    same = r"the same \d+ adapters and \d+ rows of the log$"
    for name in ("SIGKILL", "SIGTERM"):
        assert re.match(rf"resumed after step [1-9]\d* of \d+: {same}", found[f"resumed after {name}"])
    assert found["memory runs out"].startswith("4 at once; ")
    assert re.match(rf"resumed after step 1 of \d+, 4 at once: {same}", found["stopped and resumed in short memory"])


def test_at_full_size_heads_windows_and_caps_are_those_of_the_models():
    found = architectures.subjects(small=False)
    heads = {
        name: sizes.get("head_dim", sizes["hidden_size"] // sizes["num_attention_heads"])
        for name, sizes in found.items()
    }
    assert sorted(set(heads.values())) == [64, 96, 128, 256]
    assert found["gemma-2-2b"]["query_pre_attn_scalar"] == 256
    assert found["gemma-2-2b"]["sliding_window"] == 4096
    assert found["gemma-2-2b, window of 48"]["sliding_window"] == 48
    assert found["phi-3-mini"]["num_key_value_heads"] == 32
    shapes = fourbit.study_shapes()
    assert (16384, 3072) in shapes and (2048, 11008) in shapes
    assert all(inputs % 64 == 0 for _, inputs in shapes)


def test_all_limits_together_stay_under_eight_minutes():
    *before, last = gpu_check.PARTS
    assert sum(part.seconds for part in before) + 100 <= gpu_check.WHOLE < 8 * 60 - gpu_check.DYING
    assert last.name == "speed", "which takes what is left"
    assert len({part.name for part in gpu_check.PARTS}) == 5


def test_without_a_gpu_it_says_so_in_one_line(tmp_path):
    done = run("--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.match(
        r"error: no GPU: torch \S+ finds no GPU that it can compute on \(.*\)\. --small tries .*\n$", done.stderr
    )


def test_without_torch_it_says_so_in_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    done = run("--out", tmp_path / "out", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "error: no GPU: this Python has no torch that can be imported" in done.stderr


@pytest.mark.parametrize("place", ["/proc/none", "file/below"])
def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path, place):
    (tmp_path / "file").write_text("")
    done = run("--small", "--out", tmp_path / place)
    assert (done.returncode, done.stderr.count("\n"), "Traceback" in done.stderr) == (1, 1, False)
    assert done.stderr.startswith("error: ")


# Parts that go wrong: modules of `gpu` that lie elsewhere.
YIELDS = "from gpu.findings import Finding\ndef check(small):\n    yield Finding('first', 'a', 'b', {ok})\n"
WRONG = {
    "fine": YIELDS.format(ok=True),
    "off": YIELDS.format(ok=False),
    "fails": YIELDS.format(ok=True) + "    raise RuntimeError('a fault')\n",
    "crashes": YIELDS.format(ok=True) + "    import os; os.abort()\n",
    "lacks": YIELDS.format(ok=True) + "    import a_package_that_is_not_there\n",
    "empty": "def check(small):\n    return iter(())\n",
    "cannot": "import another_package\n",
    "hangs": "import os, signal, subprocess, time\n"
    + YIELDS.format(ok=True)
    + "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    + "    child = subprocess.Popen(['sleep', '600'])\n"
    + "    open(os.environ['PIDS'], 'w').write(f'{os.getpid()} {child.pid}')\n"
    + "    time.sleep(600)\n",
}


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    """Parts that go wrong, known to the processes that this one starts."""
    (tmp_path / "wrong" / "gpu").mkdir(parents=True)
    for name, text in WRONG.items():
        (tmp_path / "wrong" / "gpu" / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "wrong"))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    (tmp_path / "out").mkdir()
    return tmp_path


def check(folder, *parts, seconds=60.0):
    deadline = time.monotonic() + seconds
    return gpu_check.check(parts, folder / "out", "some card", small=True, deadline=deadline)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fails", "failed with status 1; its log says why"),
        ("crashes", "ended by signal 6"),
        ("lacks", "there is no a_package_that_is_not_there, so that the rest of this part was not run"),
    ],
)
def test_a_part_that_goes_wrong_is_off_and_the_next_ones_run(wrong, capfd, name, found):
    assert check(wrong, Part(name, 60), Part("fine", 60)) == 1
    parts = parts_of(wrong / "out")
    assert [finding.ok for finding in parts[name]] == [True, False]
    assert parts[name][1].found == found
    assert [finding.ok for finding in parts["fine"]] == [True]
    assert f"OFF {name}: " in capfd.readouterr().out
    if name == "fails":
        assert "RuntimeError: a fault" in (wrong / "out" / "fails.log").read_text()


def test_a_part_that_finds_nothing_is_off(wrong):
    assert check(wrong, Part("empty", 60)) == 1
    assert [finding.found for finding in parts_of(wrong / "out")["empty"]] == ["found nothing"]


def test_a_part_whose_packages_are_missing_says_which(wrong):
    assert check(wrong, Part("cannot", 60)) == 1
    (finding,) = parts_of(wrong / "out")["cannot"]
    assert (finding.check, finding.ok) == ("packages", False)
    assert finding.found.startswith("there is no another_package")


def test_the_status_follows_the_findings(wrong):
    assert check(wrong, Part("fine", 60)) == 0
    assert check(wrong, Part("fine", 60), Part("off", 60)) == 1
    assert check(wrong, Part("fine", 60)) == 0, "nothing of an earlier check is left"


def test_a_part_that_hangs_is_killed_with_all_that_it_started(wrong):
    assert check(wrong, Part("hangs", 2), Part("fine", 60)) == 1
    parts = parts_of(wrong / "out")
    assert parts["hangs"][0].found == "b"
    assert parts["hangs"][1].found == "killed at its limit of 8 s"
    assert parts["fine"][0].ok
    own, child = (wrong / "pids").read_text().split()
    assert not alive(own)
    wait_until(lambda: not alive(child))


def test_parts_for_which_no_time_is_left_are_not_begun(wrong):
    assert check(wrong, Part("hangs", 60), Part("fine", 60), seconds=8.0) == 1
    parts = parts_of(wrong / "out")
    assert parts["hangs"][-1].found == "killed at its limit of 8 s"
    assert [finding.found for finding in parts["fine"]] == ["not begun: no time was left"]


STOPPED = """
import sys, gpu_check
from gpu_check import Part
gpu_check.PARTS = (Part("fine", 60), Part("hangs", 60), Part("fails", 60))
sys.argv = ["gpu_check.py", "--small", "--out", sys.argv[1]]
sys.exit(gpu_check.main())
"""


def started(folder):
    """The check as a process, which has come to a part that hangs."""
    environment = {**os.environ, "PYTHONPATH": f"{BENCHMARKS}:{os.environ['PYTHONPATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, folder / "out"], env=environment, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: (folder / "pids").exists() and len((folder / "pids").read_text().split()) == 2)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_loses_nothing_and_leaves_no_process(wrong, number):
    process = started(wrong)
    process.send_signal(number)
    process.send_signal(signal.SIGINT)  # whoever is impatient
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "stopped; not run: fails" in said
    assert "Traceback" not in said
    parts = parts_of(wrong / "out")
    assert [finding.found for finding in parts["fine"]] == ["b"]
    assert [finding.found for finding in parts["hangs"]] == ["b", "stopped"]
    assert "| hangs |" in next((wrong / "out").glob("gpu-*.md")).read_text()
    for pid in (wrong / "pids").read_text().split():
        wait_until(lambda pid=pid: not alive(pid))


def test_a_killed_check_leaves_what_it_found(wrong):
    process = started(wrong)
    wait_until(lambda: "hangs" in parts_of(wrong / "out"))
    process.kill()
    process.communicate()
    assert [finding.found for finding in parts_of(wrong / "out")["hangs"]] == ["b"]
    own, child = map(int, (wrong / "pids").read_text().split())
    os.kill(own, signal.SIGKILL)  # this one ignores SIGTERM, which any other gets
    os.kill(child, signal.SIGKILL)


def test_a_part_ends_when_the_check_is_killed(wrong):
    text = WRONG["hangs"].replace("    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n", "")
    (wrong / "wrong" / "gpu" / "hangs.py").write_text(text)
    process = started(wrong)
    process.kill()
    process.communicate()
    own, child = (wrong / "pids").read_text().split()
    wait_until(lambda: not alive(own))
    os.kill(int(child), signal.SIGKILL)


def test_a_reader_that_has_gone_does_not_end_the_check(wrong):
    (wrong / "wrong" / "gpu" / "hangs.py").write_text(WRONG["fine"])
    environment = {**os.environ, "PYTHONPATH": f"{BENCHMARKS}:{os.environ['PYTHONPATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, wrong / "out"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 1
    assert list(parts_of(wrong / "out")) == ["fine", "hangs", "fails"]


def test_a_finding_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "findings.jsonl"
    assert read_findings(path) == []
    path.write_text('{"check": "a", "expected": "b", "found": "c", "ok": null}\n{"check": "d", "exp')
    assert read_findings(path) == [Finding("a", "b", "c", None)]


# What the looks must not miss: each fault makes a finding off.


@pytest.fixture
def weights():
    return [(64, 128), (128, 64)]


def test_right_weights_and_products_are_not_off(weights):
    assert fourbit._dequantised([*weights, *fourbit.ODD], True) == ("the same bits", True)
    for dtype in (torch.bfloat16, torch.float32):
        assert fourbit._products(weights, (1, 7), dtype)[1]
        assert fourbit._gradients(weights, (1, 7), dtype)[1]
    assert int8._products(weights)[1]
    assert int8._gradients_and_rows(weights)[1]


def test_one_other_bit_of_one_weight_is_off(weights, monkeypatch):
    right = fourbit.dequantised

    def dequantised(module):
        weight = right(module)
        weight[3, 5] = torch.nextafter(weight[3, 5], torch.tensor(9.0, dtype=weight.dtype))
        return weight

    monkeypatch.setattr(fourbit, "dequantised", dequantised)
    found, ok = fourbit._dequantised(weights, True)
    assert (ok, "1 not as the CPU has it" in found) == (False, True)


def test_another_level_is_off(weights, monkeypatch):
    monkeypatch.setattr(fourbit, "LEVELS", (*fourbit.LEVELS[:3], -0.3949, *fourbit.LEVELS[4:]))
    found, ok = fourbit._dequantised(weights, False)
    assert (ok, "not as the levels has it" in found) == (False, True)


@pytest.mark.parametrize("fault", [lambda y: y * 1.02, lambda y: y.roll(1, -1), lambda y: y * float("nan")])
def test_another_product_is_off(weights, monkeypatch, fault):
    from bitsandbytes.nn import Linear4bit

    forward = Linear4bit.forward
    monkeypatch.setattr(Linear4bit, "forward", lambda self, x: fault(forward(self, x)))
    assert fourbit._products(weights, (1, 7), torch.bfloat16)[1] is False
    assert fourbit._gradients(weights, (1, 7), torch.bfloat16)[1] is False


def test_another_product_in_eight_bits_is_off(weights, monkeypatch):
    from codetune.models.int8 import TokenwiseInt8

    forward = TokenwiseInt8.forward
    monkeypatch.setattr(TokenwiseInt8, "forward", lambda self, x: forward(self, x) * 1.01)
    assert int8._products(weights)[1] is False
    monkeypatch.setattr(TokenwiseInt8, "forward", lambda self, x: forward(self, x) * x.max())
    assert int8._gradients_and_rows(weights)[1] is False


@pytest.mark.filterwarnings("ignore:bitsandbytes..gemv_4bit. an autograd kernel:UserWarning")
def test_a_gradient_that_an_evaluation_changes_is_off(monkeypatch):
    from bitsandbytes.functional import has_avx512bf16

    if not has_avx512bf16():
        pytest.skip("only CPUs with AVX512-BF16 repack weights")
    assert fourbit._after_evaluation((128, 64))[1]
    monkeypatch.setattr(fourbit, "keep_weights_unpacked", lambda module: None)
    assert tried("gradient", "as before", lambda: fourbit._after_evaluation((128, 64))).ok is False


def test_an_error_is_a_finding_and_the_log_has_its_traceback(capfd):
    def fail():
        raise RuntimeError("CUDA error: an illegal memory access\nand more")

    assert tried("a", "b", fail) == Finding("a", "b", "RuntimeError: CUDA error: an illegal memory access", False)
    assert "in fail" in capfd.readouterr().err


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    sizes = architectures.subjects(small=True)["llama-3.2-1b"]
    build(sizes, folder)
    return folder, [sample for sample in draw_samples(60, sizes["vocab_size"]) if len(sample) <= 160][:12]


def test_samples_that_see_their_neighbours_are_off(llama, monkeypatch):
    folder, samples = llama
    from codetune.models import attention

    spans = attention.Packed.spans.func
    monkeypatch.setattr(attention.Packed.spans, "func", lambda self: [slice(0, sum(self.lengths))])
    packing = list(architectures._check_packing("llama", folder, samples))
    assert [finding.ok for finding in packing] == [False, False]
    assert "no attention keeps the packed samples" in packing[0].found
    monkeypatch.setattr(attention.Packed.spans, "func", spans)
    assert [finding.ok for finding in architectures._check_packing("llama", folder, samples)] == [True, True]


def test_the_slower_attention_is_off_where_a_faster_one_is_expected(llama, monkeypatch):
    folder, samples = llama
    monkeypatch.setattr("codetune.training.attention.packed_kernels", lambda *_: ["packed_varlen", "packed_each"])
    monkeypatch.setattr(architectures, "packed_kernels", lambda *_: iter(["packed_varlen", "packed_each"]))
    chosen, apart = architectures._check_packing("llama", folder, samples)
    assert (chosen.ok, apart.ok) == (False, True)
    assert chosen.found.startswith("packed_varlen fails (")


def lose_a_token(layer, other, rows, count, width):
    COPY(layer, other, rows, count, width)
    layer.buffer[:, rows, :, width - 1] = 0


def keep_others(layer, rows, start):
    KEEP(layer, rows.flip(0), start)


COPY, KEEP = GrowingLayer.copy_rows, GrowingLayer.keep_rows


@pytest.mark.parametrize(("method", "fault"), [("copy_rows", lose_a_token), ("keep_rows", keep_others)])
@pytest.mark.parametrize("plan", [architectures.BF16, architectures.FP32])
def test_a_cache_that_loses_or_confuses_is_off(llama, monkeypatch, method, fault, plan):
    folder, samples = llama
    assert architectures._decoding(folder, plan, samples)[1]
    monkeypatch.setattr(GrowingLayer, method, fault)
    monkeypatch.setattr(architectures, "try_decoding", lambda *_: None)  # which would refuse it before
    found, ok = architectures._decoding(folder, plan, samples)
    assert ok is False
    assert "prompts part" in found


def test_a_text_that_ends_too_early_is_off(llama, monkeypatch):
    folder, samples = llama
    monkeypatch.setattr(architectures, "decode", lambda *arguments: [[] for _ in arguments[1]])
    assert architectures._decoding(folder, architectures.FP32, samples)[1] is False


OUTCOME = {"adapters": {"step-000002": "a", "step-000004": "b"}, "log": [{"step": 2, "loss": 1.0}], "best": 4}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"adapters": {"step-000002": "a", "step-000004": "c"}}, "1 of 2 adapters differ, the first at step-000004"),
        ({"adapters": {"step-000002": "a"}}, "1 of 2 adapters differ, the first at step-000004"),
        ({"log": [{"step": 2, "loss": 1.0000001}]}, "1 of 1 rows of the log differ, the first at step 2"),
        ({"log": []}, "1 and 0 rows of the log"),
        ({"best": 2}, "best step 4 and 2"),
    ],
)
def test_trainings_that_end_otherwise_are_off(change, said):
    assert training_twice.compare({"outcome": OUTCOME}, {"outcome": OUTCOME})[1] is True
    assert training_twice.compare({"outcome": OUTCOME}, {"outcome": OUTCOME | change}) == (said, False)


@pytest.fixture
def ended():
    process = subprocess.Popen(["false"])
    process.wait()
    return process


def write_results(folder, **results):
    for name, content in results.items():
        (folder / f"{name.replace('_', '-')}.json").write_text(json.dumps(content))


def test_a_training_that_began_anew_was_not_resumed(tmp_path, ended):
    whole = {"outcome": OUTCOME, "steps": 9, "rows": 4, "resumed": 0}
    write_results(tmp_path, first=whole, killed=whole, stopped=whole | {"resumed": 3})
    assert training_twice._resumed(tmp_path, ended, "killed")[1] is False
    assert training_twice._resumed(tmp_path, ended, "stopped")[1] is True


def test_an_attempt_that_ends_without_a_result_is_off(tmp_path, ended):
    with pytest.raises(RuntimeError, match="the process ended with status 1 before first was done"):
        training_twice._twice(tmp_path, ended)
    assert training_twice._killed(tmp_path, ended) == ("no signal was sent; status 1", False)
    assert training_twice._stopped(tmp_path, ended)[1] is False


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, (True, True)), ({"rows": 8}, (False, True)), ({"rows": 2}, (False, True)), ({"change": 0.1}, (True, False))],
)
def test_memory_that_never_ran_out_or_other_gradients_are_off(tmp_path, ended, facts, expected):
    sizes = {"whole": 2e9, "half": 1e9, "given": 1.5e9, "together": memory_short.TOGETHER}
    write_results(tmp_path, memory={**sizes, "rows": 4, "change": 0.001, **facts})
    looks = (training_twice._halved, training_twice._gradients)
    assert tuple(look(tmp_path, ended)[1] for look in looks) == expected
    assert device() == "cpu"
