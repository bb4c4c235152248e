"""The sample browser's file: what is in it, and that no output can become more than text."""

import json
import re

import pytest
from browser_study import NASTY, data_of, make_study, run, with_candidates
from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, write_jsonl
from codetune.report.browser import EMPTY, EXTRACTED, TRUNCATED, write_browser
from codetune.report.packed import packed, unpacked
from codetune.study.record import read_record
from fake_records import seal


@pytest.fixture
def page(tmp_path):
    runs = [run("a", "base"), run("a", "qlora", 3), run("a", "qlora", 4), run("b", "base")]
    write_browser(**make_study(tmp_path, [NASTY, "", "y"], runs))
    return (tmp_path / "page.html").read_text()


def test_the_data_are_whole_with_every_seed(page):
    data = data_of(page)
    assert data["samples"] == [[0, "Python"], [10, "Python"], [20, "Python"]]
    assert data["texts"] == [[f"Task {i} in Python", "", f"x = {i}"] for i in range(3)]
    tuned, untuned = data["models"]
    found = [(one["method"], one["tuned"], one["first"]) for one in tuned["runs"]]
    assert found == [("base", False, True), ("qlora, seed 3", True, True), ("qlora, seed 4", True, False)]
    assert [one["name"] for one in tuned["runs"]] == ["a/base/0", "a/qlora/3", "a/qlora/4"]
    assert tuned["runs"][1]["scores"]["rouge_l"] == pytest.approx([0.3, 0.3, 0.3])
    assert tuned["runs"][2]["scores"]["rouge_l"] == pytest.approx([0.4, 0.4, 0.4])
    assert [one["method"] for one in untuned["runs"]] == ["base"]
    assert untuned["runs"][0]["texts"] == [NASTY, "", "y"]
    assert untuned["runs"][0]["flags"] == [0, TRUNCATED + EMPTY, 0]


def test_each_distinct_text_of_a_block_is_stored_once(page):
    (block,) = [json.loads(content) for name, content in unpacked(page) if name.startswith("texts-")]
    assert len(block["texts"]) == len(set(block["texts"])) == 3 * 2 + 3  # requests and references, no input, outputs


def test_runs_of_a_model_stand_together_in_whatever_order_records_come(tmp_path):
    """Places of outputs are those of the runs on the page."""
    runs = [run("a", "base"), run("b", "base"), run("a", "qlora")]
    study = make_study(tmp_path, ["x"], runs, [[0.1], [0.2], [0.3]])
    write_browser(**study)
    models = data_of((tmp_path / "page.html").read_text())["models"]
    scores = [[one["scores"]["rouge_l"] for one in model["runs"]] for model in models]
    assert scores == [[[0.1], [0.3]], [[0.2]]]


def test_what_no_model_wrote_is_not_called_untuned(tmp_path):
    runs = [run("a", "base"), run("a", "qlora"), run("a", "retrieval")]
    write_browser(**make_study(tmp_path, ["x"], runs))
    models = data_of((tmp_path / "page.html").read_text())["models"]
    assert [model["label"] for model in models] == ["Model A", "Most similar training sample"]
    assert [[one["made"] for one in model["runs"]] for model in models] == [["Untuned", "Tuned"], ["Retrieved"]]


def test_no_output_can_end_the_element_that_holds_it(page):
    assert page.count("</script>") == page.count("<script") == 2 + 1 + 2 + 1  # flags, two metrics, a block of texts
    assert "alert(1)" not in page
    assert data_of(page)["models"][0]["runs"][0]["texts"][0] == NASTY


def test_the_policy_lets_in_nothing_but_the_page_s_own_script_and_style(page):
    import base64
    import hashlib

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    words = dict(part.split(" ", 1) for part in policy.split("; "))
    assert words["default-src"] == "'none'"
    assert set(words) == {
        "default-src",
        "script-src",
        "style-src",
        "base-uri",
        "form-action",
        "require-trusted-types-for",
    }
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert words[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert not re.search(r"https?:|innerHTML|eval\(", page)


def test_the_study_s_own_metric_comes_first_with_its_label_and_scale(tmp_path):
    study = make_study(tmp_path, ["x", "y"], [run("a", "base")], [[12.3456, None]])
    write_browser(**study | {"metric": "bleu"})
    data = data_of((tmp_path / "page.html").read_text())
    assert list(data["metrics"]) == ["bleu", "rouge_l", "code_rouge_l"]
    assert data["metrics"]["bleu"] == {"label": "BLEU", "highest": 100, "marks": None, "unit": 100}
    assert data["metrics"]["rouge_l"] == {"label": "ROUGE-L", "highest": 1, "marks": "words", "unit": 10_000}
    (untuned,) = data["models"][0]["runs"]
    written = {"bleu": [12.35, None], "rouge_l": [12.3456, None], "code_rouge_l": [12.3456, None]}
    assert untuned["scores"] == written | {f"{name}_on_code": scores for name, scores in written.items()}


def test_a_text_that_is_not_all_code_has_the_score_of_its_code_beside_its_own(tmp_path):
    study = make_study(tmp_path, ["x", "y"], [run("a", "base")])
    path = read_record(study["inputs"].records[0]).path_of("scores", "d")
    rows = read_jsonl(path)
    write_jsonl(path, [rows[0], rows[1] | {"extracted": "fence", "rouge_l_on_code": 0.75}])
    seal(study["inputs"].records[0])
    write_browser(**study)
    (untuned,) = data_of((tmp_path / "page.html").read_text())["models"][0]["runs"]
    assert untuned["flags"] == [EXTRACTED[None], EXTRACTED["fence"] + TRUNCATED]
    assert untuned["scores"]["rouge_l_on_code"] == [0.0, 0.75]
    assert untuned["scores"]["rouge_l"] == [0.0, 0.0]


def test_runs_on_several_data_sets_are_told_apart(tmp_path):
    runs = [run("a", "base"), run("a", "qlora"), run("a", "qlora", data="e"), run("b", "base")]
    write_browser(**make_study(tmp_path, ["x"], runs))
    model = data_of((tmp_path / "page.html").read_text())["models"][0]
    names = ["base", "qlora, trained on d", "qlora, trained on e"]
    assert [one["method"] for one in model["runs"]] == names


@pytest.mark.parametrize("kind", ["predictions", "scores"])
def test_rows_of_other_samples_are_told(tmp_path, kind):
    study = make_study(tmp_path, ["x", "y"], [run("a", "base")])
    path = read_record(study["inputs"].records[0]).path_of(kind, "d")
    write_jsonl(path, read_jsonl(path)[:1])
    seal(study["inputs"].records[0])
    with pytest.raises(StudyError, match=f"{kind}.jsonl: not the samples of the test set"):
        write_browser(**study)


def test_a_damaged_part_of_a_page_is_told(page):
    line = packed("flags", b"123")
    assert dict(unpacked(line)) == {"flags": b"123"}
    with pytest.raises(StudyError, match="part flags of the page is damaged"):
        list(unpacked(line.replace('">e', '">A')))


def test_the_other_candidates_of_each_output_are_there_with_the_ranks_of_matches(tmp_path):
    study = with_candidates(make_study(tmp_path, ["y", "z"], [run("a", "base"), run("a", "qlora")]), ["a/base"])
    write_browser(**study)
    page = (tmp_path / "page.html").read_text()
    (block,) = [json.loads(content) for name, content in unpacked(page) if name.startswith("texts-")]
    texts = [[[block["texts"][text] for text in one] for one in of_sample] for of_sample in block["others"]]
    assert texts == [[[], ["x = 0", NASTY]], [[], ["x = 1", NASTY]]]
    assert block["matches"] == [[[0, 0, 0, 0], [2, 2, 2, 2]]] * 2
    assert data_of(page)["models"][0]["runs"][1]["texts"] == ["y", "z"]
    assert "alert(1)" not in page


def test_a_page_without_other_candidates_has_nothing_of_them(page):
    blocks = [json.loads(content) for name, content in unpacked(page) if name.startswith("texts-")]
    assert [set(block) for block in blocks] == [{"texts", "samples"}]
