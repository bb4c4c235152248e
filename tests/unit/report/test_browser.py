"""The sample browser's file: what is in it, and that no output can become more than text."""

import json
import re

import pytest
from browser_study import make_study, run
from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, write_jsonl
from codetune.report.browser import write_browser
from codetune.study.record import read_record
from fake_records import seal

NASTY = "</script><script>alert(1)</script><!-- \u2028"


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture
def page(tmp_path):
    runs = [run("a", "base"), run("a", "qlora", 3), run("a", "qlora", 4), run("b", "base")]
    write_browser(**make_study(tmp_path, [NASTY, "", "y"], runs))
    return (tmp_path / "page.html").read_text()


def test_the_data_are_whole_and_of_several_seeds_the_first_is_shown(page):
    data = data_of(page)
    assert [sample["id"] for sample in data["samples"]] == [0, 10, 20]
    assert {sample["language"] for sample in data["samples"]} == {"Python"}
    tuned, untuned = data["models"]
    assert [(one["method"], one["tuned"]) for one in tuned["runs"]] == [("base", False), ("qlora", True)]
    assert tuned["runs"][1]["scores"]["rouge_l"] == pytest.approx([0.3, 0.3, 0.3])
    assert [one["method"] for one in untuned["runs"]] == ["base"]
    assert untuned["runs"][0]["texts"] == [NASTY, "", "y"]
    assert untuned["runs"][0]["truncated"] == [1]
    assert data["seeds"]


def test_what_no_model_wrote_is_not_called_untuned(tmp_path):
    runs = [run("a", "base"), run("a", "qlora"), run("a", "retrieval")]
    write_browser(**make_study(tmp_path, ["x"], runs))
    models = data_of((tmp_path / "page.html").read_text())["models"]
    assert [model["label"] for model in models] == ["Model A", "Most similar training sample"]
    assert [[one["made"] for one in model["runs"]] for model in models] == [["Untuned", "Tuned"], ["Retrieved"]]


def test_no_output_can_end_the_element_that_holds_it(page):
    assert page.count("</script>") == 2
    assert "alert(1)</" not in page
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
    assert data["metrics"]["bleu"] == {"label": "BLEU", "highest": 100, "marks": None}
    assert data["metrics"]["rouge_l"] == {"label": "ROUGE-L", "highest": 1, "marks": "words"}
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
    assert untuned["extracted"] == {"1": "fence"}
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
