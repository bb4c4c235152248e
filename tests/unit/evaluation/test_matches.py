"""EM@k: the rank of the first candidate that is the reference, and what follows from it for each k."""

import json

import jsonschema
import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, read_jsonl, write_jsonl
from codetune.data.predictions import Candidate, Prediction, write_predictions
from codetune.data.samples import Sample
from codetune.evaluation.matches import find_matches
from codetune.evaluation.measures import Measures, metrics_of
from codetune.evaluation.registry import metrics
from codetune.evaluation.score import score_predictions
from codetune.evaluation.scored import read_statistics
from codetune.report.metrics import left_out_in_print
from conftest import ROOT
from fake_records import write_split

CODE = "def f(x):\n\treturn x"
MATCHES = {
    "nothing": (["a", "b"], [None, None, None, None]),
    "the first": ([CODE, CODE], [1, 1, 1, 1]),
    "white space at the ends": (["", f"\n {CODE}\n\n"], [2, 2, 2, 2]),
    "in one line": (["def f(x): return x", CODE], [2, 1, 2, 1]),
    "a space before a sign": (["def f(x) :\n return x .", "def f(x):\n\n return x"], [None, None, None, None]),
    "cut at a stop string": ([f"{CODE}\n<|end|> x = 1"], [None, 1, 1, 1]),
    "the code in it": (["", f"Here it is:\n```python\n{CODE}\n```\nBye."], [None, None, 2, 2]),
}


@pytest.mark.parametrize("case", MATCHES)
def test_the_first_match_is_found_in_each_form(case):
    texts, expected = MATCHES[case]
    names = ["em", "em_one_line", "em_on_code", "em_one_line_on_code"]
    assert find_matches(CODE, texts) == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize(
    ("reference", "candidate", "alike"),
    [
        ("f(a , b) .", "f(a, b).", True),
        ("x\t=\n\n1", "x = 1", True),
        ("it 's", "it's", True),
        ("a < b", "a < b", False),  # no reference with a stop string can be matched
        ("a b", "a  b", False),
    ],
)
def test_the_post_processing_is_that_of_the_study(reference, candidate, alike):
    assert find_matches(reference, [candidate])["em_one_line"] == (1 if alike else None)


def test_detokenisation_is_that_of_transformers(checkpoints):
    from codetune.models.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    text = "a . b ? c ! d , e ' f n't 'm 's 've 're g .. '' s"
    assert find_matches(text, [tokenizer.clean_up_tokenization(text)])["em_one_line"] == 1


@pytest.fixture
def scored(tmp_path):
    """Scores five samples, whose references are `x = 0` to `x = 4`; gives the rows and the summary."""

    def score(wrote, candidates):
        samples = [Sample(i, f"Task {i} in Python", "", f"x = {i}") for i in range(len(wrote))]
        write_jsonl(tmp_path / "test.jsonl", [vars(sample) for sample in samples])
        split = write_split(tmp_path / "split.json", test=tmp_path / "test.jsonl")
        predictions = [Prediction(i, [Candidate(text, 3, False) for text in texts]) for i, texts in enumerate(wrote)]
        write_predictions(tmp_path / "p.jsonl", predictions)
        paths = [str(tmp_path / name) for name in ("test.jsonl", "p.jsonl", "s.jsonl", "summary.json")]
        score_predictions(paths[0], split, *paths[1:], candidates)
        return read_jsonl(paths[2]), read_json(paths[3])

    return score


WROTE = [["x = 0", "y"], ["y", "x = 1"], ["y", "z"], ["x = 3", "x = 3"], ["y", "x  =  4"]]


def test_em_at_k_is_the_share_of_samples_with_a_match_among_the_first_k(scored):
    rows, summary = scored(WROTE, 2)
    assert [row["first_match"]["em"] for row in rows] == [1, 2, None, 1, None]
    assert {row["candidates"] for row in rows} == {2}
    scores = summary["scores"]
    assert (scores["em_at_1"], scores["em_at_2"]) == (0.4, 0.6)
    assert scores["em_at_1"] == scores["exact_match"]
    assert list(scores) == list(metrics_of(Measures(2))) == list(summary["signatures"])
    assert summary["by_language"]["Python"]["scores"]["em_at_2"] == 0.6
    schema = json.loads((ROOT / "workflow/schemas/score.schema.json").read_text())
    for row in rows:
        jsonschema.validate(row, schema)


def test_with_one_candidate_nothing_is_there_that_was_not(scored):
    rows, summary = scored([texts[:1] for texts in WROTE], 1)
    assert not {"candidates", "first_match"} & {key for row in rows for key in row}
    assert list(summary["scores"]) == list(metrics()) == list(metrics_of(Measures()))


def test_what_has_one_candidate_in_a_study_of_several_has_the_same_em_at_each_k(scored):
    """As a retrieval has."""
    _, summary = scored([texts[:1] for texts in WROTE], 3)
    assert [summary["scores"][f"em_at_{k}"] for k in (1, 2, 3)] == [0.4] * 3


def test_all_other_metrics_are_of_the_first_candidate(scored):
    several, one = scored(WROTE, 2), scored([texts[:1] for texts in WROTE], 1)
    assert {name: several[1]["scores"][name] for name in metrics()} == one[1]["scores"]
    assert [{key: row[key] for key in one[0][0]} for row in several[0]] == one[0]


def test_statistics_of_em_at_k_are_read_for_each_k(scored, tmp_path):
    scored(WROTE, 2)
    found = read_statistics(tmp_path / "s.jsonl")
    assert found.measures.candidates == 2
    assert found.tables["em_at_1"].tolist() == [[1, 1], [0, 1], [0, 1], [1, 1], [0, 1]]
    assert found.tables["em_at_2"].tolist() == [[1, 1], [1, 1], [0, 1], [1, 1], [0, 1]]
    assert set(found.tables) == set(metrics_of(Measures(2)))


@pytest.mark.parametrize("change", [{"candidates": 3}, {"first_match": {"em": 1}}, {"first_match": {"em": "1"}}])
def test_damaged_matches_are_told(scored, tmp_path, change):
    rows, _ = scored(WROTE, 2)
    write_jsonl(tmp_path / "s.jsonl", [rows[0] | change, *rows[1:]])
    with pytest.raises(StudyError, match=r"s\.jsonl"):
        read_statistics(tmp_path / "s.jsonl")


def test_the_table_for_readers_has_some_of_many():
    names = metrics_of(Measures(12))
    shown = [name for name in names if name not in left_out_in_print(names) and name not in metrics()]
    assert [name for name in shown if name.startswith("em_at") and not name.endswith("_on_code")] == [
        f"em_at_{k}" for k in (1, 2, 5, 10, 12)
    ]
    assert len(shown) == 4 * 5
    assert left_out_in_print(metrics()) == set()
