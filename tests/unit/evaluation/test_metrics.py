"""Metrics against the libraries that define them, and what they make of code."""

import json
import random
import sys
from importlib.metadata import version

import pytest
from codebleu import calc_codebleu
from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.evaluation.classes import length_class
from codetune.evaluation.metric import ON_CODE
from codetune.evaluation.parsing import parses
from codetune.evaluation.registry import metrics
from codetune.evaluation.rouge import DEFINITION, code_rouge_l, rouge_l, words
from codetune.evaluation.score import score_predictions, scores_of
from conftest import ROOT
from fake_records import write_split
from rouge_score import tokenize
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

SCORER = RougeScorer(["rougeL"])


def check(pairs):
    for reference, prediction in pairs:
        expected = SCORER.score(reference, prediction)["rougeL"]
        found = rouge_l(reference, prediction)
        assert (found.precision, found.recall, found.f1) == (expected.precision, expected.recall, expected.fmeasure)


def test_generated_pairs_score_as_with_rouge_score(records):
    rng = random.Random(0)
    outputs = [record["output"] for record in records]
    check((rng.choice(outputs), rng.choice(outputs)) for _ in range(500))


def test_odd_texts_score_as_with_rouge_score():
    texts = ["", " ", "a", "A a", "x = a + b", "x = a - b", "größe 你好 x", "\n\t_", "1 2 3", "a b a b a"]
    check((reference, prediction) for reference in texts for prediction in texts)


def test_real_pairs_score_as_with_rouge_score(real):
    outputs = [r["output"] for r in json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())]
    rng = random.Random(1)
    check((rng.choice(outputs), rng.choice(outputs)) for _ in range(2000))


def test_the_definition_is_the_installed_package_s():
    assert f"rouge-score {version('rouge-score')}" == DEFINITION


def check_words(texts):
    for text in texts:
        assert [word.decode() for word in words(text)] == tokenize.tokenize(text, None)


@pytest.mark.parametrize("context", ["a{}B1 ", " {} ", "{0}{0}", "Z{}\n", "\u03a3{}"])
def test_every_character_splits_as_with_rouge_score(context):
    step = 4096
    starts = range(0, sys.maxunicode + 1, step)
    check_words("".join(context.format(chr(c)) for c in range(start, start + step)) for start in starts)


def test_two_characters_outside_ascii_make_letters():
    assert words("4\u212ax") == [b"4kx"]
    assert words("\u0130x") == [b"i", b"x"]


def test_random_texts_split_as_with_rouge_score():
    rng = random.Random(4)
    odd = "aZ09_ \n\t\x00?\x1c\u00a0\u0130\u0131\u017f\u212a\u03a3\u1e9e\ufb01\uff21\u2028\ud800\U0001f600"
    check_words("".join(rng.choices(odd, k=rng.randint(0, 40))) for _ in range(20_000))


def test_real_texts_split_as_with_rouge_score(real):
    records = json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())
    check_words(text for record in records for text in record.values())


WRITTEN = [name for name in metrics() if not name.endswith(ON_CODE)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


SAMPLES = [{"id": i, "instruction": "", "input": "", "output": output} for i, output in enumerate(["a b", "c d", "e"])]
PREDICTIONS = [
    {"id": 0, "candidates": [{"text": "a b", "tokens": 3, "truncated": False}]},
    {"id": 1, "candidates": [{"text": "c", "tokens": 2, "truncated": True}]},
    {"id": 2, "candidates": [{"text": "", "tokens": 1, "truncated": False}]},
]


def test_a_summary_follows_from_the_rows(tmp_path):
    samples = write(tmp_path / "test.jsonl", SAMPLES)
    split = write_split(tmp_path / "split.json", test=samples)
    arguments = samples, split, write(tmp_path / "p", PREDICTIONS)
    score_predictions(*arguments, str(tmp_path / "scores"), str(tmp_path / "summary"))
    rows = [json.loads(line) for line in (tmp_path / "scores").read_text().splitlines()]
    assert [row["rouge_l"] for row in rows] == [1.0, 2 / 3, 0.0]
    assert [row["rouge_l_recall"] for row in rows] == [1.0, 0.5, 0.0]
    assert [row["exact_match"] for row in rows] == [1.0, 0.0, 0.0]
    assert [row["parses"] for row in rows] == [None, None, None]  # no language to be seen
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["scores"]["rouge_l"] == pytest.approx(5 / 9)
    assert summary["scores"]["parses"] is None
    assert summary["truncated"] == summary["empty"] == pytest.approx(1 / 3)
    assert summary["length_ratio"] == pytest.approx(4 / 7)
    assert summary["by_length"] == {"up to 50": {"samples": 3, "scores": summary["scores"]}}
    assert summary["signatures"].keys() == summary["scores"].keys() == metrics().keys()


def scored(pairs):
    rows = [Sample(number, "", "", reference) for number, (reference, _) in enumerate(pairs)]
    return [
        {"statistics": {name: metric.measure(sample, text, "Python") for name, metric in metrics().items()}}
        for sample, (_, text) in zip(rows, pairs, strict=True)
    ]


def corpora(records, count):
    rng = random.Random(count)
    outputs = [record["output"] for record in records if record["output"].strip()]
    near = [(text, text.replace("a", "b", 1)) for text in rng.sample(outputs, count)]
    far = [(rng.choice(outputs), rng.choice(outputs)) for _ in range(count)]
    return [near, far, near + far, [("a b", "a b")], [("a b c d e", "")], [("x", "y")]]


def test_bleu_and_chrf_are_sacrebleu_s_own(records):
    for pairs in corpora(records, 40):
        references, texts = [[reference for reference, _ in pairs]], [text for _, text in pairs]
        found = scores_of(scored(pairs))
        assert found["bleu"] == BLEU().corpus_score(texts, references).score
        assert found["chrf"] == CHRF().corpus_score(texts, references).score
        assert found["exact_match"] == sum(one.strip() == other.strip() for one, other in pairs) / len(pairs)


def test_bleu_and_chrf_are_sacrebleu_s_own_on_real_pairs(real):
    outputs = [r["output"] for r in json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())]
    rng = random.Random(2)
    pairs = [(rng.choice(outputs), rng.choice(outputs)) for _ in range(500)]
    found = scores_of(scored(pairs))
    references, texts = [[reference for reference, _ in pairs]], [text for _, text in pairs]
    assert found["bleu"] == BLEU().corpus_score(texts, references).score
    assert found["chrf"] == CHRF().corpus_score(texts, references).score


def test_codebleu_is_the_mean_of_the_package_s_parts_for_python_and_not_asked_for_others():
    pairs = [
        ("def f(x):\n    return x + 1", "def g(y):\n    return y - 1"),
        ("def f(x):\n    return x + 1", "def f(x):\n    return x + 1"),
        ("for i in range(3):\n    total = total + i", "for j in range(3):\n    print(j)"),
    ]
    measure = metrics()["codebleu"].measure
    for reference, text in pairs:
        parts = calc_codebleu([reference], [text], "python")
        names = ["ngram_match", "weighted_ngram_match", "syntax_match", "dataflow_match"]
        expected = sum(0.25 * parts[f"{name}_score"] for name in names)
        assert measure(Sample(0, "", "", reference), text, "Python") == [expected, 1.0, 0.0]
    assert measure(Sample(0, "", "", "def f(): pass"), " \n", "Python") == [0.0, 1.0, 1.0]
    assert measure(Sample(0, "", "", "SELECT 1"), "SELECT 1", "SQL") == [0.0, 0.0, 0.0]


def test_codebleu_bears_real_outputs(real):
    """Whatever stands for a reference and a prediction there: no error, and a share."""
    outputs = [r["output"] for r in json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())]
    rng = random.Random(3)
    values = [
        metrics()["codebleu"].measure(Sample(0, "", "", reference), rng.choice(outputs), "Python")[0]
        for reference in rng.sample([text for text in outputs if text.strip()], 400)
    ]
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize(
    ("one", "other"),
    [("x = a + b", "x = a - b"), ("if a < b:", "if a > b:"), ("Name", "name"), ("f(x)", "f[x]"), ("a == b", "a = b")],
)
def test_what_code_tells_apart_rouge_l_does_not_and_code_rouge_l_does(one, other):
    assert rouge_l(one, other).f1 == 1.0
    assert code_rouge_l(one, other).f1 < 1.0
    assert code_rouge_l(one, one).f1 == 1.0


def test_code_rouge_l_does_not_count_white_space():
    assert code_rouge_l("def f(x):\n    return x+1", "def f( x ):\n\treturn x + 1").f1 == 1.0


PROGRAMS = {
    "Python": ("def f(x):\n    return x + 1", "def f(x:\n    return x +"),
    "JavaScript": ("const f = (x) => x + 1;", "const f = (x => { return"),
    "Java": ("class A { int f(int x) { return x + 1; } }", "class A { int f(int x { return }"),
    "C++": ("#include <vector>\nint f(int x) { return x + 1; }", "int f(int x { return x + ; }"),
    "SQL": ("SELECT name FROM users WHERE id = 1;", "SELECT FROM WHERE id = = 1"),
    "HTML": ("<div><p>text</p></div>", "<div><p text</p</div>"),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_parses_and_a_broken_one_does_not(language):
    whole, broken = PROGRAMS[language]
    assert parses(language, whole) is True
    assert parses(language, broken) is False
    assert parses(language, "") is False


def test_where_there_is_no_grammar_nothing_is_said():
    assert parses("Ruby", "puts 1") is None
    assert metrics()["parses"].measure(Sample(0, "", "", "puts 1"), "puts 1", "Ruby") == [0.0, 0.0]


def test_every_metric_has_a_signature_of_its_own_and_its_place_in_the_config():
    assert len({metric.signature for metric in metrics().values()}) == len(metrics())
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert schema["properties"]["evaluation"]["properties"]["metric"]["enum"] == WRITTEN


def test_every_length_has_its_class():
    assert [length_class(n) for n in (1, 50, 51, 150, 151, 400, 401)] == [
        "up to 50", "up to 50", "51 to 150", "51 to 150", "151 to 400", "151 to 400", "over 400",
    ]  # fmt: skip


def test_predictions_of_other_samples_are_an_error(tmp_path):
    samples = write(tmp_path / "test.jsonl", SAMPLES)
    split = write_split(tmp_path / "split.json", test=samples)
    arguments = samples, split, write(tmp_path / "p", PREDICTIONS[:2])
    with pytest.raises(StudyError, match="not the samples of"):
        score_predictions(*arguments, str(tmp_path / "scores"), str(tmp_path / "summary"))
    assert not (tmp_path / "scores").exists()


def test_scoring_says_how_far_it_is(tmp_path, stretches):
    samples = write(tmp_path / "test.jsonl", SAMPLES)
    arguments = samples, write_split(tmp_path / "split.json", test=samples), write(tmp_path / "p", PREDICTIONS)
    score_predictions(*arguments, str(tmp_path / "scores"), str(tmp_path / "summary"))
    assert ("scoring", 3, 3) in [(one.what, one.done, one.total) for one in stretches]
