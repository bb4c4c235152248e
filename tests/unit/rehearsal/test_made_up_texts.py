"""What the models of a rehearsal would have written: the same each time, better with more skill, in real layouts."""

import statistics

from codetune.data.samples import Sample
from codetune.evaluation.extraction import extract_code
from codetune.evaluation.rouge import rouge_l
from codetune.rehearsal.texts import CHARACTERS_PER_TOKEN, made_up

SAMPLES = [
    Sample(
        number,
        f"Write a function number {number} that adds two values",
        "",
        f"def add_{number}(first, second):\n    total = first + second\n    return total * {number}",
    )
    for number in range(300)
]


def written(skill, chatter, *of, most=512):
    return [made_up(sample, skill, chatter, most, *of) for sample in SAMPLES]


def mean_score(predictions):
    pairs = zip(SAMPLES, predictions, strict=True)
    return statistics.mean(rouge_l(sample.output, found.first.text).f1 for sample, found in pairs)


def test_the_same_writer_writes_the_same_and_another_one_does_not():
    assert written(0.5, 0.5, "one") == written(0.5, 0.5, "one")
    assert written(0.5, 0.5, "one") != written(0.5, 0.5, "other")


def test_more_skill_scores_higher():
    scores = [mean_score(written(skill, 0.0, "one")) for skill in (0.2, 0.5, 0.8)]
    assert scores == sorted(scores)
    assert scores[2] - scores[0] > 0.1


def test_difficult_samples_are_difficult_for_every_writer():
    def each(*of):
        found = written(0.4, 0.0, *of)
        return [rouge_l(sample.output, one.first.text).f1 for sample, one in zip(SAMPLES, found, strict=True)]

    assert statistics.correlation(each("one"), each("other")) > 0.3


def test_talk_around_the_code_is_there_as_often_as_said_and_the_extraction_finds_the_code():
    silent, talking = written(0.9, 0.0, "one"), written(0.9, 0.9, "one")
    assert not any("```" in found.first.text for found in silent)
    fenced = [found.first.text for found in talking if "```" in found.first.text]
    assert 0.3 < len(fenced) / len(talking) < 0.9
    assert statistics.mean(extract_code(text).how is not None for text in fenced) > 0.95


def test_some_texts_are_truncated_at_the_length_that_the_study_allows():
    most = 40
    found = [prediction.first for prediction in written(0.5, 0.9, "one", most=most)]
    truncated = [one for one in found if one.truncated]
    assert truncated and len(truncated) < len(found)
    assert all(one.tokens == most for one in truncated)
    assert all(len(one.text) <= most * CHARACTERS_PER_TOKEN and one.tokens <= most for one in found)
