"""The scripts of the rules that write and read records: what a rule names arrives where it belongs."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from browser_study import make_study, run
from codetune.base.files import sha256_of_file, write_json, write_jsonl
from codetune.base.manifests import MANIFEST, write_manifest
from codetune.base.plain import to_plain
from codetune.study.layout import PREDICTIONS, RECORD, SCORES, SUMMARY, TRAINING, TRAINING_LOG, fill, origin_of
from codetune.study.record import read_record
from codetune.study.records import gather_records
from codetune.study.runs import Evaluation
from fake_records import fake_publications, fake_record, with_test, write_fake, write_split, write_stats

ROOT = Path(__file__).parents[3]
JOB = """
import json, runpy, sys
from types import SimpleNamespace
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, Wildcards

script, given = sys.argv[1], json.loads(sys.argv[2])
snakemake = SimpleNamespace(
    input=InputFiles(fromdict=given["input"]),
    output=OutputFiles([given["output"]]),
    params=Params(fromdict=given["params"]),
    wildcards=Wildcards(fromdict=given["wildcards"]),
    resources={},
    log=Log([given["log"]]),
    threads=1,
    config={"results": "results", "resources": "resources"},
)
runpy.run_path(script, {"snakemake": snakemake}, "__main__")
"""


@pytest.fixture
def run_script(tmp_path):
    """Runs a script as a rule with these inputs, params and output."""

    def done(name, inputs, params, output, **wildcards):
        log = tmp_path / "log.txt"
        given = {
            "input": inputs,
            "params": params,
            "output": str(output),
            "wildcards": wildcards,
            "log": str(log),
        }
        scripts = ROOT / "workflow/scripts"
        command = [sys.executable, "-c", JOB, str(scripts / f"{name}.py"), json.dumps(given)]
        ended = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(scripts)}, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr

    return done


def write_facts(results, record, keeps_samples=False):
    """The files that a record of this content gathers; gives the inputs of the rule, without splits."""
    kinds = {"origin": origin_of(record.run), "summary": SUMMARY, "predictions": PREDICTIONS, "scores": SCORES}
    inputs = {kind: [] for kind in kinds}
    for test, tested in record.tests.items():
        paths = {kind: str(results / fill(pattern, Evaluation(record.run, test))) for kind, pattern in kinds.items()}
        for kind in ("predictions", "scores"):
            write_jsonl(paths[kind], [{"id": 0, "of": test}])
        origin = tested.generation or tested.retrieval
        samples = {"prompts_samples": f"test of {test}"}
        if tested.retrieval:
            samples = {"train_samples": f"train of {record.run.data}", "test_samples": f"test of {test}"}
        used = origin.inputs_sha256 if keeps_samples else origin.inputs_sha256 | samples
        made = {"inputs_sha256": used, "predictions_sha256": sha256_of_file(paths["predictions"])}
        write_json(paths["origin"], to_plain(replace(origin, **made)))
        summary = replace(tested.summary, scores_sha256=sha256_of_file(paths["scores"]))
        write_json(paths["summary"], to_plain(summary))
        for kind, path in paths.items():
            inputs[kind].append(path)
    if not record.trains:
        return inputs | {"training": [], "training_log": []}
    training, log = (str(results / fill(pattern, record.run)) for pattern in (TRAINING, TRAINING_LOG))
    write_json(training, to_plain(record.training))
    write_jsonl(log, [{"step": 1}])
    return inputs | {"training": training, "training_log": log}


def a_record(method):
    """The record of a run that is tested on `d` and `e`, whose training used the samples of `d`."""
    record = with_test(fake_record("m", method, "d", test="d"), "e", {"rouge_l": 0.7})
    if not record.training:
        return record
    used = record.training.inputs_sha256 | {f"{part}_samples": f"{part} of d" for part in ("train", "validation")}
    return replace(record, training=replace(record.training, inputs_sha256=used))


@pytest.mark.parametrize("method", ["base", "qlora", "retrieval"])
def test_a_record_gathers_the_files_of_its_run(tmp_path, run_script, method):
    record = a_record(method)
    results = tmp_path / "results"
    names = ["d", "e"]
    inputs = write_facts(results, record) | {"splits": [write_split(tmp_path / f"{name}.json", name) for name in names]}
    params = {kind: to_plain(getattr(record, kind)) for kind in ("run", "model", "method")} | {"template": "chat"}
    target = results / fill(RECORD, record.run)
    run_script("record", inputs, params | {"splits": names, "tests": names}, target)
    found = read_record(target)
    assert (found.run, found.model, found.method) == (record.run, record.model, record.method)
    assert found.training == record.training
    assert found.template == (None if method == "retrieval" else "chat")
    assert list(found.files) == (["training_log"] if method == "qlora" else [])
    parts = {"base": [], "qlora": ["train", "validation"], "retrieval": ["train"]}
    assert found.data_sha256 == {part: f"{part} of d" for part in parts[method]}
    for name, score in (("d", 0.5), ("e", 0.7)):
        assert found.tests[name].summary.scores == {"rouge_l": score}
        assert found.tests[name].samples_sha256 == f"test of {name}"
        assert found.path_of("scores", name).read_text() == f'{{"id": 0, "of": "{name}"}}\n'


DIFFERENT = {
    "split": r"made from other inputs than the run has now \(train samples\)",
    "prompts": r"made from other inputs than the run has now \(prompts samples\)",
    "tuned": r"made from other inputs than the run has now \(tuned\)",
    "predictions": "predictions.jsonl is not the file that .*generation.json describes",
    "scores": "scores.jsonl is not the file that .*summary.json describes",
}
NOT_RETRIEVED = {
    "split": r"made from other inputs than the run has now \(train samples\)",
    "predictions": "predictions.jsonl is not the file that .*retrieval.json describes",
}


@pytest.mark.parametrize(
    ("method", "changed", "message"),
    [
        *(("qlora", changed, message) for changed, message in DIFFERENT.items()),
        *(("retrieval", changed, message) for changed, message in NOT_RETRIEVED.items()),
    ],
)
def test_what_is_not_made_from_the_rest_is_no_record(tmp_path, run_script, method, changed, message):
    record = a_record(method)
    if changed in ("prompts", "tuned"):
        name = {"prompts": "prompts_samples", "tuned": "tuned"}[changed]
        generation = record.tests["d"].generation
        other = replace(generation, inputs_sha256=generation.inputs_sha256 | {name: "other"})
        record = replace(record, tests=record.tests | {"d": replace(record.tests["d"], generation=other)})
    inputs = write_facts(tmp_path / "results", record, changed == "prompts")
    splits = [write_split(tmp_path / f"{name}.json", name) for name in ("d", "e")]
    if changed == "split":
        Path(splits[0]).write_text(Path(splits[0]).read_text().replace("train of d", "another train"))
    if changed in ("predictions", "scores"):
        write_jsonl(inputs[changed][0], [{"id": 1}])
    params = {kind: to_plain(getattr(record, kind)) for kind in ("run", "model", "method")}
    params |= {"template": "paper", "splits": ["d", "e"], "tests": ["d", "e"]}
    target = tmp_path / "results" / fill(RECORD, record.run)
    with pytest.raises(AssertionError):
        run_script("record", inputs | {"splits": splits}, params, target)
    assert re.search(f"^error: .*{message}", (tmp_path / "log.txt").read_text(), re.MULTILINE)
    assert not target.exists()


def test_a_run_is_published_with_its_card(tmp_path, run_script):
    record = fake_record("m", "qlora", "d", test="d", scores={"bleu": 12.3})
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    (tuned / "adapter_model.safetensors").write_text("weights")
    write_manifest(tuned)
    inputs = {"record": write_fake(record, tmp_path), "stats": write_stats(tmp_path), "tuned": str(tuned / MANIFEST)}
    params = {"metric": "bleu", "publications": to_plain(fake_publications())}
    run_script("publish", inputs, params, tmp_path / "published/README.md")
    assert (tmp_path / "published/adapter_model.safetensors").read_text() == "weights"
    assert "| d | 10 | 12.30 |" in (tmp_path / "published/README.md").read_text()


def test_the_browser_is_made_from_records(tmp_path, run_script):
    made = make_study(tmp_path, ["x"], [run("a", "base"), run("a", "qlora")])["inputs"]
    inputs = {"samples": made.samples, "records": list(made.records)}
    run_script("browser", inputs, {"metric": "bleu"}, tmp_path / "page.html", test="d")
    assert '"metrics":{"bleu":{"label":"BLEU"' in (tmp_path / "page.html").read_text()


def test_provenance_is_made_from_records_and_the_config(tmp_path, run_script):
    record = fake_record("m", "base", test="d")
    elsewhere = replace(record, run=replace(record.run, model="n"))
    gather_records([write_fake(one, tmp_path) for one in (record, elsewhere)], str(tmp_path / "records.jsonl"))
    inputs = {"records": str(tmp_path / "records.jsonl"), "embeddings": []}
    run_script("provenance", inputs, {"config": {"key": {"nested": 1}}}, tmp_path / "provenance.md")
    text = (tmp_path / "provenance.md").read_text()
    assert "key:\n  nested: 1" in text
    assert text.count("| someone/something |") == 2
