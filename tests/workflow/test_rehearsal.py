"""A rehearsal of a tiny study through the whole workflow, without weights, without a GPU, stamped in all it shows."""

import json
import subprocess
import sys

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.rehearsal import rehearsing
from codetune.report.stamp import STAMP
from codetune.study import layout
from codetune.study.record import read_record
from codetune.study.rehearsal import ENDING
from small_study import copy_workflow, generated_records, hashlib_of, snakemake

LOCAL = ("--workflow-profile", "profiles/local", "--configfile", "tiny.yaml", "config/rehearsal.yaml", "--cores", "2")
RESULTS = f"results{ENDING}"
MODEL = "llama-3.2-1b"
LORA = {"type": "LORA", "r": 2, "target_modules": ["q_proj", "v_proj"]}


def tiny_config(records, count):
    on = {"datasets": ["codealpaca-20k"], "seeds": [0]}
    return {
        "runs": [
            on | {"models": [MODEL], "methods": ["base", "qlora", "searched", "prompt"]},
            on | {"models": ["none"], "methods": ["retrieval"]},
        ],
        "datasets": {
            "codealpaca-20k": {
                "path": str(records),
                "records": count,
                "sha256": hashlib_of(records),
                "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            }
        },
        "models": {MODEL: {"path": "checkpoint", "batch_size": 8, "micro_batch": 4, "epochs": 6}},
        "methods": {
            "searched": {"peft": LORA, "training": {"learning_rate": [1e-4, 1e-3]}, "baselines": ["base"]},
            "prompt": {"peft": {"type": "PROMPT_TUNING", "num_virtual_tokens": 4}, "baselines": ["base"]},
        },
        "tokenization": {"max_length": 256},
        "generation": {"max_new_tokens": 64},
        "curve": {"samples": 6},
        "evaluation": {"resamples": 200},
        "keep_checkpoints": "none",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose checkpoint has no weights."""
    from make_models import as_documents, make_model, make_tokenizer

    folder = tmp_path_factory.mktemp("rehearsal")
    copy_workflow(folder)
    records = generated_records()[:120]
    (folder / "records.json").write_text(json.dumps(records))
    tokenizer = make_tokenizer(as_documents(records), 512, adds_begin=True)
    make_model(MODEL, tokenizer).config.save_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(folder / "checkpoint")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_config(folder / "records.json", len(records))))
    return folder


@pytest.fixture(scope="module")
def done(project):
    """The finished rehearsal; real results lie beside it."""
    (project / "results").mkdir()
    (project / "results" / "kept.txt").write_text("real")
    done = snakemake(*LOCAL, "--verbose", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_its_plan_takes_neither_a_gpu_nor_weights(project):
    planned = snakemake(*LOCAL, "-n", cwd=project)
    text = planned.stdout + planned.stderr
    assert planned.returncode == 0, text
    assert "gpu=0" in text and "gpu=1" not in text
    assert "download_model" not in text
    assert "scripts/rehearse.py" not in text  # rules have the names that they have in the study
    for rule in ("finetune", "curve", "generate"):
        assert f"rule {rule}:" in text


def test_jobs_are_looked_for_when_one_ends_and_at_no_other_time(done):
    """Each look may start jobs on both cores; a look that is repeated every second takes time of the jobs."""
    assert 0 < done.count("Ready jobs: ") <= done.count("Finished jobid: ") + 1


def test_it_ends_with_what_the_study_will_give_and_takes(done):
    assert f"Rehearsed: 5 runs. {RESULTS} holds what the study will give" in done
    assert "Time of the jobs that need no GPU" in done
    assert "Disk: up to" in done


def test_all_that_it_shows_is_stamped(project, done):
    results = project / RESULTS
    shown = [path for folder in ("tables", "figures", "report") for path in (results / folder).rglob("*.*")]
    shown += results.glob(layout.glob_of(layout.PUBLISHED))
    records = list(results.glob(layout.glob_of(layout.RECORD)))
    assert len(shown) > 40 and len(records) == 5
    for path in shown:
        data = path.read_bytes()
        if path.suffix == ".csv":
            header, *rows = data.decode().splitlines()
            assert header.endswith(",synthetic"), path
            assert rows and all(row.endswith(",True") for row in rows), path
        else:
            assert (STAMP if path.suffix != ".tex" else "SYNTHETIC").encode() in data, path
    assert all(json.loads(path.read_text())["synthetic"] for path in records)
    for name in (layout.GENERATION, layout.TRAINING):
        found = list(results.glob(layout.glob_of(name)))
        assert found and all(json.loads(path.read_text())["synthetic"] for path in found)


def test_the_real_results_are_left_alone(project, done):
    assert [path.name for path in (project / "results").iterdir()] == ["kept.txt"]


def test_its_checkpoints_have_the_real_size_and_take_no_disk(project, done):
    from safetensors import safe_open

    sizes = json.loads((project / RESULTS / layout.SIZES.format(model=MODEL)).read_text())["methods"]
    folder = project / RESULTS / "runs/codealpaca-20k" / MODEL
    for method in ("qlora", "prompt"):
        path = folder / method / "seed0/tuned/adapter_model.safetensors"
        with safe_open(path, "np") as file:
            count = sum(file.get_tensor(name).size for name in file.keys())  # noqa: SIM118 (no dictionary)
        assert count == sizes[method]["trainable"]
        assert path.stat().st_size > 4 * count


def test_it_can_be_checked_and_is_not_planned_again(project, done):
    planned = snakemake(*LOCAL, "-n", cwd=project)
    assert "Nothing to be done" in planned.stdout + planned.stderr
    overlays = ("config/config.yaml", "tiny.yaml", "config/rehearsal.yaml")
    command = [sys.executable, "workflow/scripts/check_results.py", *overlays]
    checked = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "all cells are equal" in checked.stdout


def test_a_study_does_not_take_what_a_rehearsal_made_up(project, done):
    real = ("--workflow-profile", "profiles/local", "--configfile", "tiny.yaml", "--cores", "1")
    there = snakemake(*real, "--config", f"results={RESULTS}", "-n", cwd=project)
    assert f"error: config: results: {RESULTS}: folders of rehearsals end in" in there.stdout + there.stderr
    record = project / RESULTS / layout.RECORD.format(data="none", model=MODEL, method="base", seed=0)
    with pytest.raises(StudyError, match=r"record\.json: made up by a rehearsal\. Delete it and run again"):
        read_record(record)
    with rehearsing({"rehearsal": True}):
        assert read_record(record).synthetic
