"""The figure of what becomes of generated code: shares that add up, names, what stands beside them, and its pages."""

from dataclasses import replace

import pytest
from codetune.evaluation.comparisons import MetricFacts
from codetune.evaluation.passes import AVERAGE, AVERAGE_LABEL
from codetune.report.executed import CLASSES, FIRST, execution_table, shares_of_classes, write_execution
from codetune.report.outcomes import NOT_EXECUTED, draw_execution
from codetune.report.rows import evaluated_systems
from codetune.study.execution import ExecutionFacts
from fake_comparisons import fake_comparisons
from fake_records import DATA, fake_method, fake_model, fake_record
from figure_checks import check_page, draw_pages
from matplotlib.text import Text

MODELS = [fake_model(f"model-{place}", label=f"A model {place}") for place in range(40)]
QLORA = fake_method("qlora", baselines=["base"])
ERRORS = {"wrong answer": 20, "NameError": 15, "KeyError": 10, "syntax error": 3, "out of fuel": 2}
FACTS = {"rouge_l": MetricFacts("ROUGE-L", "f1", 1.0), FIRST: MetricFacts("pass@1", "greedy", 1.0)}


def executed(record, passed=50, errors=None):
    errors = ERRORS if errors is None else errors
    facts = ExecutionFacts({}, "", passed + sum(errors.values()), passed, errors)
    return replace(record, tests={name: replace(one, execution=facts) for name, one in record.tests.items()})


def study(models, errors=None):
    scores = {"rouge_l": 0.5, FIRST: 0.5}
    runs = [fake_record(model, method, scores=scores) for model in MODELS[:models] for method in ("base", QLORA)]
    records = [executed(one, 0 if errors == {} else 50, errors) for one in runs]
    return records, [fake_comparisons(records, metrics=FACTS)]


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


@pytest.mark.parametrize("models", [1, 5, 40])
def test_pages_fit_print_and_every_system_has_a_row(models):
    pages = draw_pages("execution", draw_execution, *study(models))
    rows = [len(page.axes[0].get_yticklabels()) for page in pages.values()]
    assert sum(rows) == 2 * models
    assert (len(pages) > 1) is (models == 40)
    for page in pages.values():
        check_page(page)


def test_shares_add_up_and_each_error_is_in_one_class():
    records, comparisons = study(1)
    for one in evaluated_systems(records, comparisons):
        shares = shares_of_classes(one)
        assert list(shares) == list(CLASSES)
        assert list(shares.values()) == pytest.approx([0.5, 0.2, 0.15, 0.1, 0.03, 0.02])
    (page,) = draw_pages("execution", draw_execution, records, comparisons).values()
    bars = [bar for bar in page.axes[0].patches if bar.get_width() > 0]
    assert sum(bar.get_width() for bar in bars) == pytest.approx(2)
    assert {name for name in CLASSES if name in texts_of(page)} == set(CLASSES)
    assert f"share of all answers to the problems of {DATA}" in texts_of(page)
    assert "0.50  (0.40 to 0.60)  ?" in texts_of(page)


def test_what_was_not_executed_is_said():
    (page,) = draw_pages("execution", draw_execution, *study(1, errors={})).values()
    assert texts_of(page).count(NOT_EXECUTED) == 2


def test_a_study_without_unit_tests_has_no_page():
    records = [fake_record("model-a", method) for method in ("base", QLORA)]
    assert draw_pages("execution", draw_execution, records, [fake_comparisons(records)]) == {}


def test_the_table_has_a_row_per_system_and_a_column_per_error():
    table = execution_table(evaluated_systems(*study(2)))
    assert list(table["method"]) == ["base", "qlora"] * 2
    assert list(table["score"]) == [0.5] * 4
    assert list(table["share: KeyError"]) == [0.1] * 4
    assert list(table["verdict"].dropna()) == ["undecided"] * 2


def test_the_table_has_the_average_accuracy_where_there_are_test_cases(tmp_path):
    facts = FACTS | {AVERAGE: MetricFacts(AVERAGE_LABEL, "first candidate", 1.0)}
    scores = {"rouge_l": 0.5, FIRST: 0.5, AVERAGE: 0.75}
    records = [executed(fake_record(MODELS[0], method, scores=scores)) for method in ("base", QLORA)]
    for metrics, shown in ((facts, True), (FACTS, False)):
        evaluated = evaluated_systems(records, [fake_comparisons(records, metrics=metrics)])
        table = execution_table(evaluated)
        outputs = {form: str(tmp_path / f"execution.{form}") for form in ("csv", "md", "tex")}
        write_execution(table, evaluated, outputs)
        text = (tmp_path / "execution.md").read_text()
        assert (AVERAGE_LABEL in table) is ("mean over problems" in text) is shown
        assert text.count("0.75") == (2 if shown else 0)
