"""The number of examples in a prompt: the one with the best score, the fewest of equals."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file, write_json
from codetune.base.plain import to_plain
from codetune.prompts.choose_count import choose_count
from fake_records import fake_summary


@pytest.fixture
def choose(tmp_path):
    def choose(scores, metric="rouge_l"):
        paths = {count: str(tmp_path / f"{count}.json") for count in scores}
        for count, path in paths.items():
            write_json(path, to_plain(fake_summary({"rouge_l": 0.1, "bleu": None} | {metric: scores[count]})))
        trials = {f"few@{count}": count for count in scores}
        choose_count(trials, list(paths.values()), metric, str(tmp_path / "count.json"))
        return read_json(tmp_path / "count.json")

    return choose


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({1: 0.2, 3: 0.5, 5: 0.4}, 3),
        ({1: 0.5, 3: 0.5, 5: 0.4}, 1),
        ({5: 0.5, 3: 0.5, 1: 0.4}, 3),
        ({1: None, 3: 0.0, 5: None}, 3),
        ({1: 0.0, 3: 0.0}, 1),
    ],
)
def test_the_best_score_decides_and_of_equals_the_fewest_examples(choose, scores, expected):
    assert choose(scores)["chosen"] == expected


def test_the_facts_say_by_what_it_was_chosen_on_how_many_samples_and_from_which_files(choose, tmp_path, capsys):
    assert choose({1: 0.2, 3: 0.5}) == {
        "metric": "rouge_l",
        "signature": "a signature",
        "samples": 10,
        "trials": [
            {
                "method": f"few@{count}",
                "count": count,
                "score": score,
                "summary_sha256": sha256_of_file(tmp_path / f"{count}.json"),
            }
            for count, score in ((1, 0.2), (3, 0.5))
        ],
        "chosen": 3,
    }
    assert capsys.readouterr().out == "1 examples: rouge_l 0.2\n3 examples: rouge_l 0.5, chosen\n"


def test_a_metric_without_a_score_is_one_line(choose):
    with pytest.raises(StudyError, match="bleu applies to none of the 10 validation samples, .* Name one 'count'"):
        choose({1: None, 3: None}, "bleu")
