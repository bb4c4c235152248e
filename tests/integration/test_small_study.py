"""A small study from end to end, with real QLoRA on a CPU: results, reruns, repeatability, and a failing job."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import ROOT
from small_study import BIN, LOCAL, MODELS, digests, make_project, plan, snakemake

DATA = "codealpaca-20k"
TUNED = f"runs/{DATA}/llama-3.2-1b/qlora/seed0"
UNTUNED = "runs/none/llama-3.2-1b/base/seed0"
TESTED = f"tests/{DATA}"  # within a run
TUNED_LOG = f"results/logs/finetune/{DATA}/llama-3.2-1b/qlora/seed0.log"


def test_everything_asked_for_is_there(study):
    results = study / "results"
    for name in ("table1", "table2", "pairs", "metrics", "breakdown", "cost", "audit"):
        for kind in ("csv", "md", "tex"):
            assert (results / "tables" / f"{name}.{kind}").stat().st_size > 100
    for name in ("figure1", "figure2", "losses", "cost", "dumbbell", "forest", "languages", "lengths", "matrix"):
        for kind in ("png", "svg", "pdf"):
            assert (results / "figures" / f"{name}.{kind}").stat().st_size > 1000
    with open(results / "tables" / "table2.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 + 9
    assert all(0 <= float(row["score"]) <= 1 for row in rows[2:])


FORMATS = {
    "sample": "results/data/codealpaca-20k/test.jsonl",
    "split": "results/data/codealpaca-20k/split.json",
    "sizes": "results/sizes/llama-3.2-1b.json",
    "token_stats": f"results/tokens/{DATA}/gemma-2-2b/paper/stats.json",
    "prediction": f"results/{TUNED}/{TESTED}/predictions.jsonl",
    "generation": f"results/{UNTUNED}/{TESTED}/generation.json",
    "score": f"results/{TUNED}/{TESTED}/scores.jsonl",
    "summary": f"results/{TUNED}/{TESTED}/summary.json",
    "training_log": f"results/{TUNED}/training_log.jsonl",
    "training": f"results/{TUNED}/training.json",
    "curve": f"results/{TUNED}/curve.json",
    "record": f"results/{TUNED}/record.json",
}


@pytest.mark.parametrize("name", FORMATS)
def test_files_between_rules_have_the_form_their_schema_says(study, name):
    import jsonschema

    schema = json.loads((ROOT / "workflow/schemas" / f"{name}.schema.json").read_text())
    text = (study / FORMATS[name]).read_text()
    documents = map(json.loads, text.splitlines()) if FORMATS[name].endswith(".jsonl") else [json.loads(text)]
    count = 0
    for count, document in enumerate(documents, start=1):  # noqa: B007
        jsonschema.Draft202012Validator(schema).validate(document)
    assert count > 0


def test_table2_follows_from_the_predictions(study):
    from codetune.data.samples import read_samples
    from codetune.evaluation.rouge import rouge_l

    references = {s.id: s.output for s in read_samples(study / "results/data/codealpaca-20k/test.jsonl")}
    predictions = [json.loads(line) for line in open(study / "results" / TUNED / TESTED / "predictions.jsonl")]
    assert [p["id"] for p in predictions] == list(references)
    mean = sum(rouge_l(references[p["id"]], p["candidates"][0]["text"]).f1 for p in predictions) / len(predictions)
    with open(study / "results/tables/table2.csv") as stream:
        rows = {(row["model"], row["method"]): row for row in csv.DictReader(stream)}
    assert float(rows["Llama-3.2-1B", "qlora"]["score"]) == pytest.approx(mean)


def test_check_results_makes_the_whole_study_anew(study):
    """By the functions that the rules call, and from the inputs and settings that the rules give them."""
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", "config/config.yaml", "small.yaml"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if not line.startswith("check of the results: ")]
    assert (done.returncode, told) == (0, [])
    assert re.fullmatch(r"\d+ files made anew from the config and the predictions: all cells are equal\n", done.stdout)


def test_training_lowers_the_validation_loss_and_keeps_the_best(study):
    folder = study / "results" / TUNED
    log = [json.loads(line) for line in open(folder / "training_log.jsonl")]
    losses = {row["step"]: row["eval_loss"] for row in log if "eval_loss" in row}
    record = json.loads((folder / "training.json").read_text())
    best = record["result"]["best_step"]
    assert losses[best] == min(losses[step] for step in losses if step > 0) == record["result"]["best_validation_loss"]
    assert losses[best] < losses[0]
    kept = folder / "checkpoints" / f"step-{best:06d}" / "adapter_model.safetensors"
    assert kept.read_bytes() == (folder / "tuned" / "adapter_model.safetensors").read_bytes()
    assert not (folder / "unfinished").exists()
    log = (study / TUNED_LOG).read_text()
    assert f"kept in results/{TUNED}/unfinished/finetune" in log
    assert not list(study.glob("<*"))


def test_the_curve_has_the_untuned_model_and_every_checkpoint(study):
    folder = study / "results" / TUNED
    steps = [point["step"] for point in json.loads((folder / "curve.json").read_text())["points"]]
    record = json.loads((folder / "training.json").read_text())
    assert steps == [0, *record["result"]["checkpoints"]]


def test_a_curve_s_point_is_what_its_checkpoint_generates(study, checkpoints, tmp_path):
    """The adapters that take turns beside one base give what each gives alone."""
    from codetune.data.samples import choose_subset, read_samples
    from codetune.evaluation.rouge import rouge_l
    from codetune.generation.batches import generate
    from codetune.generation.loading import prompt_limit
    from codetune.methods.adapters import load_adapter
    from codetune.models.loading import load_base
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.serialising import serialisation_of
    from codetune.prompts.tokensets import read_tokens
    from codetune.study.decoding import Decoding
    from codetune.study.method import Quantization
    from codetune.study.template import BUILT_IN

    folder = study / "results" / TUNED
    curve = json.loads((folder / "curve.json").read_text())
    last = curve["points"][-1]
    base = load_base(checkpoints / MODELS[0], Quantization("nf4", double=True, compute_dtype="float32"))
    model = load_adapter(base, folder / "checkpoints" / f"step-{last['step']:06d}")
    prompts = read_tokens(study / f"results/tokens/{DATA}" / MODELS[0] / "paper/validation.arrow")
    ids = choose_subset([prompt.id for prompt in prompts], 8)
    assert sorted(ids) == curve["samples"]
    decoding = Decoding(max_new_tokens=24, batch_size=64, cache_gb=1)
    chosen = [prompt for prompt in prompts if prompt.id in ids]
    tokenizer = load_tokenizer(checkpoints / MODELS[0])
    ending = serialisation_of(BUILT_IN["paper"], tokenizer).ending
    predictions = generate(model, tokenizer, chosen, decoding, ending, prompt_limit(decoding), tmp_path / "kept")
    references = {s.id: s.output for s in read_samples(study / "results/data/codealpaca-20k/validation.jsonl")}
    mean = sum(rouge_l(references[p.id], p.first.text).f1 for p in predictions) / len(predictions)
    assert last["scores"]["rouge_l"]["score"] == pytest.approx(mean)


def test_the_adapter_is_one_that_peft_takes_as_it_is(study, checkpoints):
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM

    folder = study / "results" / TUNED / "published"
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = PeftConfig.from_pretrained(folder)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (8, 16, 0.05)
    assert sorted(config.target_modules) == sorted(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoints / MODELS[0]), folder)
    assert model.get_nb_trainable_parameters()[0] == 0
    card = (folder / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "peft"


def test_the_lines_of_a_model_card_write_what_was_scored(study):
    """In a process of their own, as a reader runs them, for a sample whose text ends before the limit if one does."""
    card = (study / "results" / TUNED / "published/README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    rows = (study / f"results/{TUNED}/{TESTED}/predictions.jsonl").read_text().splitlines()
    written = {row["id"]: row["candidates"][0] for row in map(json.loads, rows)}
    chosen = max(written, key=lambda id: (not written[id]["truncated"], written[id]["tokens"]))
    tests = map(json.loads, (study / f"results/data/{DATA}/test.jsonl").read_text().splitlines())
    (sample,) = (sample for sample in tests if sample["id"] == chosen)
    request = "\n".join(filter(None, (sample["instruction"], sample["input"])))
    code = re.sub(r"(?m)^request = .*$", lambda _: f"request = {request!r}", code)
    done = subprocess.run([sys.executable, "-c", code], cwd=study, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.removesuffix("\n") == written[chosen]["text"]


def test_records_name_what_went_in(study):
    record = json.loads((study / "results" / TUNED / "training.json").read_text())
    tokens = study / f"results/tokens/{DATA}/llama-3.2-1b/paper/train.arrow"
    assert record["inputs_sha256"]["train"] == hashlib.sha256(tokens.read_bytes()).hexdigest()
    assert record["environment"]["packages"]["torch"].startswith("2.13.0")
    generation = json.loads((study / "results" / TUNED / TESTED / "generation.json").read_text())
    base = json.loads((study / "results" / UNTUNED / TESTED / "generation.json").read_text())
    assert generation["decoding"] == base["decoding"]
    assert generation["checkpoint"] == base["checkpoint"]
    assert "tuned" in generation["inputs_sha256"]


def test_a_run_s_record_holds_what_the_others_say_and_the_hashes_of_all(study):
    for run, trains in ((UNTUNED, False), (TUNED, True)):
        folder = study / "results" / run
        record = json.loads((folder / "record.json").read_text())
        _, data, model, method, _ = Path(run).parts
        assert record["version"] == 3
        assert record["run"] == {"data": data, "model": model, "method": method, "seed": 0}
        assert record["model"]["label"] == "Llama-3.2-1B"
        training = json.loads((folder / "training.json").read_text()) if trains else None
        assert record["training"] == training
        assert set(record["files"]) == ({"training_log"} if trains else set())
        assert set(record["tests"]) == {DATA}
        tested = record["tests"][DATA]
        assert tested["generation"] == json.loads((folder / TESTED / "generation.json").read_text())
        assert tested["summary"] == json.loads((folder / TESTED / "summary.json").read_text())
        assert set(tested["files"]) == {"predictions", "scores"}
        for file in [*record["files"].values(), *tested["files"].values()]:
            assert file["sha256"] == hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest()


def test_a_finished_study_has_nothing_to_do_and_a_touch_changes_nothing(study):
    for path in (study / "workflow").rglob("*.py"):
        path.touch()
    assert plan(*LOCAL, cwd=study) == {}


def test_a_changed_module_reruns_what_uses_it(study, tmp_path):
    module = study / "workflow/scripts/codetune/evaluation/registry.py"
    before = module.read_text()
    module.write_text(before + "\nCHANGED = True\n")
    try:
        jobs = plan(*LOCAL, cwd=study)
    finally:
        module.write_text(before)
    assert jobs["score"] == 9
    assert jobs["score_curve"] == 2
    assert jobs["significance"] == 1
    assert not jobs.keys() & {"finetune", "generate", "curve", "tokenize", "prompt", "split", "card"}


def test_an_edited_model_entry_reruns_its_branch_alone(study):
    config = yaml.safe_load((study / "small.yaml").read_text())
    config["models"]["gemma-2-2b"]["epochs"] = 3
    (study / "edited.yaml").write_text(yaml.safe_dump(config))
    edited = ("--workflow-profile", "profiles/local", "--configfile", "edited.yaml")
    done = snakemake("-n", *edited, "--cores", "1", cwd=study)
    text = done.stdout + done.stderr
    jobs = plan(*edited, cwd=study)
    assert (jobs["finetune"], jobs["curve"], jobs["generate"], jobs["score"]) == (1, 1, 1, 1)
    assert not jobs.keys() & {"tokenize", "prompt", "split", "download_model", "download_tokenizer"}
    assert f"output: results/{TUNED}" not in text


def test_a_new_label_redraws_and_trains_nothing(study):
    config = yaml.safe_load((study / "small.yaml").read_text())
    config["models"]["gemma-2-2b"] |= {"label": "Gemma", "license": "another", "parameters": 9.9}
    (study / "edited.yaml").write_text(yaml.safe_dump(config))
    jobs = plan("--workflow-profile", "profiles/local", "--configfile", "edited.yaml", cwd=study)
    assert not jobs.keys() & {"finetune", "generate", "curve", "score", "score_curve", "tokenize", "prompt", "size"}
    assert jobs["record"] == 3
    assert (jobs["table"], jobs["figure"]) == (7, 9)


def test_scores_tables_and_figures_are_made_again_without_torch_or_gpu(study):
    """All but GPU jobs and what is before them: their processes cannot import torch, and the bytes stay."""
    light = ("score", "score_curve", "card", "provenance", "table", "figure")  # the others follow from these
    before = {**digests(study), **figures_of(study)}
    blocked = study / "workflow/scripts/torch.py"
    blocked.write_text("raise ImportError('torch is not to be loaded')")
    try:
        done = snakemake(*LOCAL, "--cores", "2", "--forcerun", *light, cwd=study)
    finally:
        blocked.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    made = set(re.findall(r"^(?:local)?rule (\w+):", done.stdout + done.stderr, re.MULTILINE))
    others = {"significance", "record", "records", "publish", "browser", "page", "summary", "paper", "macros"}
    assert made - {"all"} == others.union(light)
    assert {**digests(study), **figures_of(study)} == before


def figures_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "results/figures").iterdir()}


def test_the_cost_model_is_compared_with_what_the_jobs_took(study, tmp_path):
    for path in study.iterdir():
        (tmp_path / path.name).symlink_to(path)
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    command = ["benchmarks/makespan.py", "--out", "out.json", "--recorded", "small.yaml"]
    done = subprocess.run([BIN / "python", *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = json.loads((tmp_path / "out.json").read_text())["jobs"]
    assert sorted(row["job"].split()[0] for row in jobs) == ["curve"] * 2 + ["finetune"] * 2 + ["generate"] * 8
    for row in jobs:
        rule, data, model, method, seed, *_ = row["job"].split()
        assert row["benchmark"].startswith(f"results/benchmarks/{rule}/{data}/{model}/{method}/seed{seed}")
        recorded = next(csv.DictReader((study / row["benchmark"]).open(), delimiter="\t"))
        assert row["recorded"] == float(recorded["s"])
    trained = [row for row in jobs if row["job"].startswith("finetune")]
    assert 0.5 < sum(row["predicted"] for row in trained) / sum(row["recorded"] for row in trained) < 2


# What torchrun, accelerate, MPI and a user's own modules leave in a shell.
LEFT_BEHIND = {
    **{"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"},
    **{"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0", "PMI_SIZE": "2"},
    **{"ACCELERATE_MIXED_PRECISION": "bf16", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "ATEN_CPU_CAPABILITY": "default"},
}


def test_the_same_command_gives_the_same_bytes_whatever_launchers_left_in_the_shell(
    study, tmp_path, checkpoints, records
):
    (tmp_path / "modules").mkdir()
    for name in ("torch", "rouge_score"):
        (tmp_path / "modules" / f"{name}.py").write_text("raise ImportError('not the environment's')")
    again = make_project(tmp_path / "again", checkpoints, records)
    shutil.copy(study / "records.json", again / "records.json")
    # One run by jobs of all kinds; tables follow from its scores, which another test shows.
    command = (*LOCAL, "--cores", "2", "--", f"results/{TUNED}/record.json", f"results/{TUNED}/curve.json")
    done = snakemake(*command, cwd=again, PYTHONPATH=str(tmp_path / "modules"), **LEFT_BEHIND)
    assert done.returncode == 0, done.stdout + done.stderr
    first = {name: value for name, value in digests(study).items() if f"/{TUNED}/" in name}
    assert len(first) > 6
    assert digests(again) == first


ADAPTER = f"results/{TUNED}/tuned/manifest.json"


def trained(hashes):
    """Of a study's hashes those of what the first model's training makes: adapters and log."""
    made = {name: value for name, value in hashes.items() if name.startswith(f"results/{TUNED}/")}
    made = {name: value for name, value in made.items() if name.endswith((".safetensors", "training_log.jsonl"))}
    assert len(made) > 2
    return made


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("killed", ["job", "workflow"])
def test_a_training_stopped_in_the_middle_saves_itself_and_goes_on(study, tmp_path, killed):
    """SIGTERM to the job, as at a time limit, and SIGKILL to the workflow, which the job must not outlive.

    That the workflow passes SIGTERM and SIGINT on: test_signals.py. What a study makes of such ends: test_faults.py.
    """
    again = shutil.copytree(study, tmp_path / "again", symlinks=True)
    folder = again / "results" / TUNED
    expected = digests(again)
    shutil.rmtree(folder)
    log = again / TUNED_LOG
    log.unlink()
    command = [BIN / "snakemake", *LOCAL, "--cores", "1"]
    workflow = subprocess.Popen(command, cwd=again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: log.exists() and "step 3/" in log.read_text())
    (training,) = psutil.Process(workflow.pid).children()
    start = time.monotonic()
    if killed == "job":
        training.terminate()
    else:
        workflow.kill()
    wait_until(lambda: not training.is_running() or training.status() == psutil.STATUS_ZOMBIE)
    assert time.monotonic() - start < 30
    assert re.search(r"SIGTERM: saved after step \d+ of ", log.read_text())
    assert workflow.wait(60) != 0
    assert not list((folder / "tuned").glob("*"))
    if killed == "workflow":
        locked = snakemake(*LOCAL, "--cores", "2", cwd=again)
        assert "--unlock" in locked.stdout + locked.stderr
        assert snakemake(*LOCAL, "--cores", "2", "--unlock", cwd=again).returncode == 0
    done = snakemake(*LOCAL, "--cores", "2", "--", ADAPTER, cwd=again)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^going on after step \d+ of ", log.read_text(), re.MULTILINE)
    assert digests(again).items() >= trained(expected).items()
    assert not (folder / "unfinished").exists()


def test_a_second_start_beside_a_living_one_is_refused(study, tmp_path):
    """--nolock stands for a user who has removed Snakemake's own lock."""
    again = shutil.copytree(study, tmp_path / "again", symlinks=True)
    expected = digests(again)
    shutil.rmtree(again / "results" / TUNED)
    log = again / TUNED_LOG
    log.unlink()
    command = [BIN / "snakemake", *LOCAL, "--cores", "1", "--nolock", ADAPTER]
    with subprocess.Popen(command, cwd=again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        wait_until(lambda: log.exists() and "step 1/" in log.read_text())
        jobs = psutil.Process(first.pid).children(recursive=True)
        for job in jobs:
            job.suspend()  # else it may end before the second has started
        second = snakemake(*LOCAL, "--cores", "1", "--nolock", ADAPTER, cwd=again)
        for job in jobs:
            job.resume()
        assert second.returncode == 1
        refusal = rf"^error: {ADAPTER} is being written by process \d+ on .* \(kill \d+ on "
        assert re.search(refusal, second.stderr, re.MULTILINE)
        assert "Traceback" not in second.stderr
        assert first.wait(120) == 0
    assert digests(again).items() >= trained(expected).items()


def test_a_plan_and_a_touch_leave_logs_alone(study, tmp_path):
    again = shutil.copytree(study, tmp_path / "again", symlinks=True)
    logs = {path: path.read_text() for path in (again / "results/logs").rglob("*.log*")}
    assert len(logs) > 20
    plan(*LOCAL, "--forceall", cwd=again)
    assert snakemake(*LOCAL, "--cores", "1", "--touch", cwd=again).returncode == 0
    assert {path: path.read_text() for path in (again / "results/logs").rglob("*.log*")} == logs


ON_A_FULL_DISK = """
cp -a results kept
mount -t tmpfs -o size=40m tmpfs results && cp -a kept/. results
dd if=/dev/zero of=results/filling bs=1k 2> /dev/null
"$@"; echo "status=$?"
diff -r kept results -x filling -x "*.log" -x .snakemake_timestamp
rm results/filling
"$@"; echo "status=$?"
"""


def test_a_full_disk_stops_a_study_with_one_line_and_costs_nothing_else(study, tmp_path):
    again = shutil.copytree(study, tmp_path / "again", symlinks=True)
    expected = (again / "results/tables/table2.csv").read_text()
    (again / "results/tables/table2.csv").unlink()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    command = [BIN / "snakemake", *LOCAL, "--cores", "1", "--", "table2"]
    script = ON_A_FULL_DISK + "cat results/tables/table2.csv"
    done = subprocess.run([*namespace, "sh", "-c", script, "sh", *command], cwd=again, capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert re.findall(r"status=(\d)", text) == ["1", "0"], text
    assert re.search(r"error: No space left on device: results/(tables|logs)/table2\.\w+", text), text
    assert "Traceback" not in text
    assert "Only in kept/" not in done.stdout.replace("Only in kept/tables: table2", ""), done.stdout
    assert expected in done.stdout


def test_a_failing_job_says_why_on_the_console_and_leaves_no_output(study, tmp_path):
    """Asked for a GPU where there is none: one line, no traceback, and the log's place."""
    folder = shutil.copytree(study, tmp_path / "project", symlinks=True)
    done = snakemake(
        *LOCAL,
        "--cores",
        "1",
        "--resources",
        "gpu=1",
        "--forcerun",
        "generate",
        "--",
        f"results/{UNTUNED}/{TESTED}/predictions.jsonl",
        cwd=folder,
        CUDA_VISIBLE_DEVICES="",
    )
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "error: this job asks for 1 GPU(s), none found. Run with '--resources gpu=0' to use the CPU" in text
    assert "Traceback" not in text
    assert f"results/logs/generate/none/llama-3.2-1b/base/seed0/{TESTED}.log" in text
    assert not Path(folder / "results" / UNTUNED / TESTED / "predictions.jsonl").exists()
