"""docs/own-data.md as written: from a file of one's own to the plan of Table 2, and to tokens of a miniature model."""

import json
import re

import pytest
import yaml
from codetune.base.files import read_json
from codetune.data.reading import read_records
from codetune.study.config import load_study
from conftest import ROOT
from paper_config import paper_config
from small_study import LOCAL, make_project, plan, snakemake

PAGE = (ROOT / "docs" / "own-data.md").read_text()
SNIPPETS = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
DATA = "results/mine/data/mine"


@pytest.fixture(scope="module")
def here(tmp_path_factory, checkpoints, records):
    """A project with miniature models, the page's overlay, and a file of one's own."""
    folder = make_project(tmp_path_factory.mktemp("own") / "project", checkpoints, records)
    (folder / "own.yaml").write_text(SNIPPETS["own.yaml"])
    rows = [{"instruction": row["instruction"], "output": row["output"]} for row in records]
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_overlay_has_six_lines_and_the_page_s_record_is_read(tmp_path):
    assert len(SNIPPETS["own.yaml"].splitlines()) == 6
    (tmp_path / "mine.jsonl").write_text(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    assert read_records(tmp_path / "mine.jsonl")[0]["instruction"] == "Add two numbers."


def test_the_page_s_commands_plan_the_study_up_to_table_2(here):
    for name in ("mine.jsonl", "own.yaml"):
        assert name in PAGE
    jobs = plan("table2", "--workflow-profile", "profiles/local", "--configfile", "own.yaml", cwd=here)
    assert jobs == {
        **dict.fromkeys(("download_dataset", "split", "leaks", "download_model", "download_tokenizer"), 1),
        **dict.fromkeys(("tokenize", "finetune", "retrieve", "records", "significance", "table", "table2"), 1),
        "prompt": 2,
        "generate": 3,
        "score": 4,
        "record": 4,
    }


def test_the_data_are_read_split_described_and_tokenised_on_a_miniature_model(here):
    tokens = "results/mine/tokens/mine/qwen2.5-1.5b/paper/train.arrow"
    done = snakemake(f"{DATA}/card.md", tokens, *LOCAL, "own.yaml", "--cores", "2", cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = read_json(here / DATA / "split.json")
    assert facts["shares"] == {"train": 0.85, "validation": 0.05, "test": 0.1}
    assert (facts["seed"], facts["near_duplicates"]["handling"]) == (0, "together")
    log = (here / "results/mine/logs/download_dataset/mine.log").read_text()
    printed = re.search(r"To pin them, add .*\n    records: (\d+)\n    sha256: ([0-9a-f]{64})\n", log)
    assert printed
    pinned = yaml.safe_load(SNIPPETS["own.yaml"])
    pinned["datasets"]["mine"] |= {"records": int(printed[1]), "sha256": printed[2]}
    (here / "pinned.yaml").write_text(yaml.safe_dump(pinned))
    jobs = snakemake(f"{DATA}/card.md", *LOCAL, "pinned.yaml", "--cores", "1", cwd=here)
    assert jobs.returncode == 0, jobs.stdout + jobs.stderr


def test_parts_in_several_formats_with_a_mapping_filters_and_a_sample_go_through_the_rules(here, records):
    pandas = pytest.importorskip("pandas")
    rows = [{"task": row["instruction"], "title": None, "code": f"x = {n}"} for n, row in enumerate(records[:90])]
    (here / "data").mkdir()
    pandas.DataFrame(rows[:70]).to_parquet(here / "data" / "train.parquet")
    pandas.DataFrame(rows[70:]).to_csv(here / "data" / "test.csv.gz")
    entry = {
        "path": "data",
        "parts": {"train": "train.parquet", "test": "test.csv.gz"},
        "fields": {"instruction": ["title", "task"], "output": "code"},
        "keep": ["python-parses"],
        "sample": {"records": 40, "seed": 1},
        "split": {"validation": 0.25},
    }
    overlay = yaml.safe_load(SNIPPETS["own.yaml"]) | {"results": "results/parts", "datasets": {"mine": entry}}
    (here / "of-parts.yaml").write_text(yaml.safe_dump(overlay | {"resources": "resources/parts"}))
    done = snakemake("results/parts/data/mine/card.md", *LOCAL, "of-parts.yaml", "--cores", "1", cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = read_json(here / "results/parts/data/mine/split.json")
    assert (facts["parts"], facts["kept"]) == ({"train": 70, "test": 20}, {"python-parses": 90})
    card = read_json(here / "results/parts/data/mine/card.json")
    assert [card["parts"][part]["samples"] for part in ("train", "validation", "test")] == [30, 10, 20]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "x = 1"}\n', "look like plain text"),
        ('{"chosen": "x", "rejected": "y", "prompt": "z"}\n', "fields: {instruction: prompt, output: chosen}"),
    ],
)
def test_a_file_that_is_refused_ends_the_job_with_one_line(here, content, said):
    (here / "other.jsonl").write_text(content)
    (here / "other.yaml").write_text(SNIPPETS["own.yaml"].replace("mine", "other"))
    done = snakemake("results/other/data/other/card.md", *LOCAL, "other.yaml", "--cores", "1", cwd=here)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize("name", sorted(set(SNIPPETS) - {"own.yaml"}))
def test_every_other_entry_of_the_page_is_understood(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for file in ("mine.jsonl", "data/train.jsonl", "data/dev.jsonl", "data/test.jsonl"):
        (tmp_path / file).touch()
    config = paper_config()
    config["datasets"] |= yaml.safe_load(SNIPPETS[name])["datasets"]
    found = load_study(config).datasets["mine"]
    assert found.published.source.path or found.published.source.revision


def test_the_page_names_all_filters_and_shapes():
    from codetune.data.shapes import SHAPES
    from codetune.study.dataset import FILTERS

    assert [one for one in FILTERS if f"| `{one}` |" not in PAGE] == []
    assert [name for shape in SHAPES for names in shape.values() for name in names if f"`{name}`" not in PAGE] == []
