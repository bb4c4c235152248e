"""Reruns follow bytes: not dates, not places, and changed bytes never pass unnoticed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from small_study import LOCAL, plan, snakemake

TUNED = "results/runs/codealpaca-20k/llama-3.2-1b/qlora/seed0"
DATA = "results/data/codealpaca-20k"
TOKENS = "results/tokens/codealpaca-20k/llama-3.2-1b/paper"
HEAVY = {"finetune", "generate", "curve"}


@pytest.fixture
def moved(study, tmp_path):
    """The finished study at another place, as `tar` unpacks it without dates; its sources lie beside it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    packed = subprocess.Popen(["tar", "-C", study, "-c", "."], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-m", "-C", folder], stdin=packed.stdout, check=True)
    assert packed.wait() == 0
    return folder


def with_sources(folder, tmp_path):
    """Gives the study a data file and a checkpoint of its own, of the same bytes as before; returns both."""
    config = yaml.safe_load((folder / "small.yaml").read_text())
    checkpoint = tmp_path / "a-checkpoint"
    shutil.copytree(config["models"]["llama-3.2-1b"]["path"], checkpoint)
    records = tmp_path / "records.json"
    shutil.copy(config["datasets"]["codealpaca-20k"]["path"], records)
    config["models"]["llama-3.2-1b"]["path"] = str(checkpoint)
    config["datasets"]["codealpaca-20k"]["path"] = str(records)
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    return records, checkpoint


def test_the_same_bytes_plan_nothing_wherever_they_lie_and_whatever_their_dates(moved):
    assert plan(*LOCAL, cwd=moved) == {}
    assert plan(*LOCAL, "--", "rocrate", cwd=moved).keys() == {"rocrate"}
    for number, path in enumerate(sorted(moved.rglob("*"))):
        if not path.is_symlink():
            os.utime(path, (1_700_000_000 - number, 1_700_000_000 - number))
    assert plan(*LOCAL, cwd=moved) == {}
    subprocess.run(["find", moved, "-exec", "touch", "{}", "+"], check=True)
    assert plan(*LOCAL, cwd=moved) == {}


def test_files_above_the_size_that_snakemake_compares_by_itself_go_by_content_too():
    for profile in ("default", "local", "slurm"):
        found = yaml.safe_load(Path("profiles", profile, "config.yaml").read_text())
        assert found["max-checksum-file-size"] == "1TB"
        assert found["rerun-triggers"] == ["mtime", "params", "input"]


def test_an_environment_s_packages_rerun_what_runs_in_it_and_its_comments_nothing(moved):
    env = moved / "envs/analysis.yaml"
    env.write_text("# another remark\n" + env.read_text() + "\n# and one more\n")
    assert plan(*LOCAL, cwd=moved) == {}
    env.write_text(env.read_text().replace("pandas==", "pandas==0"))
    found = plan(*LOCAL, cwd=moved)
    assert found["score"] == 9
    assert not found.keys() & (HEAVY | {"split", "tokenize"})


def test_a_changed_source_is_noticed_by_the_next_command(moved, tmp_path):
    records, checkpoint = with_sources(moved, tmp_path)
    done = snakemake(*LOCAL, "--touch", "--cores", "1", cwd=moved)
    assert done.returncode == 0, done.stderr
    assert plan(*LOCAL, cwd=moved) == {}
    settings = checkpoint / "generation_config.json"
    before, times = settings.read_text(), settings.stat()
    settings.write_text(json.dumps(json.loads(before) | {"top_k": 7}))
    os.utime(settings, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = plan(*LOCAL, cwd=moved)
    assert (found["download_model"], found["download_tokenizer"], found["finetune"]) == (1, 1, 1)
    assert found["generate"] == 3
    settings.write_text(before)
    assert plan(*LOCAL, cwd=moved) == {}
    text = records.read_text()
    records.write_text(text.replace("a", "b", 1))
    assert plan(*LOCAL, cwd=moved)["download_dataset"] == 1
    records.write_text(text)
    assert plan(*LOCAL, cwd=moved) == {}


def test_weights_that_changed_behind_a_link_are_not_used(moved, tmp_path):
    _, checkpoint = with_sources(moved, tmp_path)
    link = moved / "resources/models/llama-3.2-1b/model.safetensors"
    link.unlink()
    link.symlink_to(checkpoint / "model.safetensors")
    damage(checkpoint / "model.safetensors")
    base = "results/runs/none/llama-3.2-1b/base/seed0/tests/codealpaca-20k/predictions.jsonl"
    done = snakemake(
        *LOCAL, "--cores", "1", "--forcerun", "generate", "--allowed-rules", "generate", "--", base, cwd=moved
    )
    assert done.returncode != 0
    assert "resources/models/llama-3.2-1b/model.safetensors has changed since the manifest" in done.stdout + done.stderr


def damage(path):
    """Changes one letter or digit in the middle of a file."""
    content = bytearray(path.read_bytes())
    place = next(n for n in range(len(content) // 2, len(content)) if chr(content[n]).isalnum())
    content[place] = ord("7") if content[place] != ord("7") else ord("8")
    path.write_bytes(content)


CONSUMERS = {
    "resources/data/codealpaca-20k.jsonl": (f"{DATA}/split.json", "split"),
    f"{DATA}/train.jsonl": (f"{TOKENS}/stats.json", "tokenize"),
    f"{DATA}/validation.jsonl": (f"{TUNED}/curve.json", "score_curve"),
    f"{DATA}/test.jsonl": (f"{TUNED}/tests/codealpaca-20k/summary.json", "score"),
    f"{TOKENS}/train.arrow": (f"{TUNED}/training.json", "finetune"),
    f"{TOKENS}/validation.arrow": (f"{TUNED}/curve/predictions.jsonl", "curve"),
    "results/prompts/codealpaca-20k/llama-3.2-1b/paper/none/seed0/prompts.arrow": (
        f"{TUNED}/tests/codealpaca-20k/generation.json",
        "generate",
    ),
    "resources/tokenizers/gemma-2-2b/tokenizer.json": (
        "results/tokens/codealpaca-20k/gemma-2-2b/paper/stats.json",
        "tokenize",
    ),
    f"{TUNED}/tuned/adapter_model.safetensors": (f"{TUNED}/tests/codealpaca-20k/generation.json", "generate"),
    f"{TUNED}/tuned/adapter_config.json": (f"{TUNED}/published/README.md", "publish"),
    f"{TUNED}/checkpoints/step-*/adapter_model.safetensors": (f"{TUNED}/curve/predictions.jsonl", "curve"),
    f"{TUNED}/tests/codealpaca-20k/predictions.jsonl": (f"{TUNED}/tests/codealpaca-20k/summary.json", "score"),
    f"{TUNED}/tests/codealpaca-20k/scores.jsonl": (f"{TUNED}/record.json", "record"),
    f"{TUNED}/training_log.jsonl": ("results/figures/losses.png", "figure"),
}


@pytest.mark.parametrize("changed", CONSUMERS)
def test_a_consumer_notices_that_a_file_is_not_what_the_record_beside_it_says(moved, changed):
    target, rule = CONSUMERS[changed]
    path = next(moved.glob(changed))
    if path.is_symlink():
        shutil.copy(path.resolve(), path.with_name("copy"))
        path.with_name("copy").replace(path)
    before = path.read_bytes()
    damage(path)
    arguments = ("--cores", "1", "--forcerun", rule, "--allowed-rules", rule, "--", target)
    done = snakemake(*LOCAL, *arguments, cwd=moved)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("error: ")]
    assert done.returncode != 0
    assert len(set(said)) == 1, done.stdout + done.stderr
    assert path.relative_to(moved).as_posix() in said[0]
    assert "Traceback" not in done.stdout + done.stderr
    if rule in ("finetune", "generate", "curve"):  # what takes hours
        path.write_bytes(before)
        assert plan(*LOCAL, cwd=moved) == {}, "nothing was lost by asking"


def test_a_pipe_in_a_file_s_place_is_no_wait(moved):
    path = moved / DATA / "train.jsonl"
    path.unlink()
    os.mkfifo(path)
    done = snakemake(*LOCAL, "--cores", "1", "--forcerun", "tokenize", "--", f"{TOKENS}/stats.json", cwd=moved)
    assert done.returncode != 0
    assert f"{DATA}/train.jsonl is no file, but a folder, a pipe or a device" in done.stdout + done.stderr


def test_checkpoints_are_dropped_once_the_curve_is_drawn_and_nothing_trains_again(moved):
    none = (*LOCAL, "--config", "keep_checkpoints=none")
    assert set(plan(*none, cwd=moved)) == {"drop_checkpoints", "provenance", "page", "paper", "all"}
    done = snakemake(*none, "--cores", "1", cwd=moved)
    assert done.returncode == 0, done.stderr
    assert not list(moved.glob("results/runs/*/*/*/*/checkpoints/step-*"))
    assert len(list(moved.glob("results/runs/*/*/*/*/tuned/adapter_model.safetensors"))) == 2
    assert plan(*none, cwd=moved) == {}
    assert set(plan(*LOCAL, cwd=moved)) == {"provenance", "page", "paper", "all"}
    (moved / "fewer.yaml").write_text("curve: {samples: 4}")
    found = plan(*LOCAL, "fewer.yaml", cwd=moved)
    assert found["curve"] == 2
    assert "finetune" not in found
    done = snakemake(*LOCAL, "--forcerun", "curve", "--cores", "1", "--", f"{TUNED}/curve.json", cwd=moved)
    assert done.returncode != 0
    assert "were deleted after the curve was drawn (keep_checkpoints: none)" in done.stdout + done.stderr
    assert set(plan(*LOCAL, cwd=moved)) == {"provenance", "page", "paper", "all"}, "the curve is still there"
