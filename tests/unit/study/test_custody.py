"""What is checked before the first job starts: files against their records, and downloads against the config."""

import os

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file, write_json, write_jsonl
from codetune.base.manifests import write_manifest
from codetune.data.reading import import_dataset
from codetune.study.config import load_study
from codetune.study.custody import check_downloads, check_inputs
from codetune.study.dataset import Published
from codetune.study.model import Source
from fake_records import write_split
from paper_config import edit, paper_config

SAMPLES = [{"id": 0, "instruction": "Add", "input": "", "output": "a + b"}]


@pytest.fixture
def files(tmp_path):
    """One file of each kind that has a record beside it, as the jobs write them."""
    data, run = tmp_path / "results/data/d", tmp_path / "results/runs/none/m/base/seed0/tests/d"
    tokens = tmp_path / "results/tokens/d/m/paper"
    for part in ("train", "validation", "test"):
        write_jsonl(data / f"{part}.jsonl", SAMPLES)
    write_split(data / "split.json", **{part: data / f"{part}.jsonl" for part in ("train", "validation", "test")})
    for path in (tokens / "train.arrow", run / "predictions.jsonl", run / "scores.jsonl"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of this run")
    write_json(tokens / "stats.json", {"sha256": {"train": sha256_of_file(tokens / "train.arrow")}})
    write_json(run / "generation.json", {"predictions_sha256": sha256_of_file(run / "predictions.jsonl")})
    write_json(run / "summary.json", {"scores_sha256": sha256_of_file(run / "scores.jsonl")})
    write_json(tmp_path / "published.json", SAMPLES)
    records = tmp_path / "resources/data/d.jsonl"
    facts = import_dataset([tmp_path / "published.json"], Published(Source(path="published.json")), records)
    write_json(records.with_suffix(".json"), {"records": facts.records, "sha256": facts.sha256})
    tuned = tmp_path / "results/runs/d/m/qlora/seed0/tuned"
    tuned.mkdir(parents=True)
    (tuned / "adapter_model.safetensors").write_text("weights")
    write_manifest(tuned)
    parts = [data / f"{part}.jsonl" for part in ("train", "validation", "test")]
    written = [records, *parts, tokens / "train.arrow", run / "predictions.jsonl", run / "scores.jsonl"]
    return {path.name: path for path in (*written, tuned / "manifest.json")}


def test_what_is_as_it_was_made_or_is_not_there_passes(files, tmp_path):
    check_inputs([*map(str, files.values()), str(tmp_path / "not-there.jsonl"), str(tmp_path / "published.json")])


NAMES = ("d.jsonl", "train.jsonl", "validation.jsonl", "test.jsonl", "train.arrow", "predictions.jsonl", "scores.jsonl")


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_is_named_with_its_record(files, name):
    text = files[name].read_text()
    files[name].write_text(text.replace("a + b", "a - b").replace("this run", "that run"))
    with pytest.raises(StudyError, match=rf"{name} is not the file that .*\.json describes"):
        check_inputs([str(files[name])])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["{", "[]", "{}", "3", '{"sha256": 5}', "[" * 100_000])
def test_a_damaged_record_is_one_line(files, name, text):
    records = {"d.jsonl": "d.json", "train.arrow": "stats.json", "predictions.jsonl": "generation.json"}
    record = files[name].with_name(records.get(name, "summary.json" if name == "scores.jsonl" else "split.json"))
    record.write_text(text)
    with pytest.raises(StudyError, match=record.name) as error:
        check_inputs([str(files[name])])
    assert "\n" not in str(error.value)


def test_what_was_retrieved_is_checked_by_the_facts_of_the_retrieval(files):
    path = files["predictions.jsonl"]
    path.with_name("generation.json").rename(path.with_name("retrieval.json"))
    check_inputs([str(path)])
    path.write_text("of another run")
    with pytest.raises(StudyError, match=r"predictions\.jsonl is not the file that .*retrieval\.json describes"):
        check_inputs([str(path)])


def test_a_folder_is_checked_by_its_manifest(files):
    (files["manifest.json"].parent / "adapter_model.safetensors").write_text("WEIGHTS")
    with pytest.raises(StudyError, match=r"adapter_model\.safetensors has changed"):
        check_inputs([str(files["manifest.json"])])


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(files, put):
    files["train.jsonl"].unlink()
    put(files["train.jsonl"])
    with pytest.raises(StudyError, match=r"train\.jsonl is no file, but a folder, a pipe or a device"):
        check_inputs([str(files["train.jsonl"])])


def test_downloads_of_another_study_are_refused(tmp_path):
    study, resources = load_study(paper_config()), str(tmp_path)
    source = study.models["phi-3-mini"].source
    folder = tmp_path / "models/phi-3-mini"
    folder.mkdir(parents=True)
    manifest, facts = str(folder / "manifest.json"), str(tmp_path / "data/codealpaca-20k.json")
    write_manifest(folder, repo=source.repo, revision=source.revision)
    declared = study.datasets["codealpaca-20k"].published
    write_json(facts, {"records": declared.records, "sha256": declared.sha256})
    check_downloads(study, resources, [manifest, facts])
    write_manifest(folder, repo=source.repo, revision="f" * 40)
    with pytest.raises(StudyError, match="models/phi-3-mini holds something else than models.phi-3-mini of the config"):
        check_downloads(study, resources, [manifest, facts])
    check_downloads(study, resources, [facts])
    write_json(facts, {"records": 3, "sha256": declared.sha256})
    with pytest.raises(StudyError, match="codealpaca-20k.json holds something else than datasets.codealpaca-20k"):
        check_downloads(study, resources, [facts])


def test_a_local_checkpoint_counts_by_its_bytes(tmp_path):
    mine, folder = tmp_path / "mine", tmp_path / "resources/models/phi-3-mini"
    for place in (mine, folder):
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
    write_manifest(folder, path="another/place")
    study = load_study(edit(paper_config(), ("models", "phi-3-mini", "path"), str(mine)))
    arguments = study, str(tmp_path / "resources"), [str(folder / "manifest.json")]
    check_downloads(*arguments)
    (mine / "config.json").write_text("[]")
    with pytest.raises(StudyError, match=r"holds something else than models\.phi-3-mini .* \(another/place"):
        check_downloads(*arguments)
