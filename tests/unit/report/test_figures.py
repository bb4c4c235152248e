"""Figures: what is drawn is what was found, nothing is cut off or alike, and equal data give equal bytes."""

import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib as mpl
import pytest
from codetune.base.machine import PeakMemory
from codetune.report.figure import FIGURES, draw_figure
from codetune.report.figure2 import read_course
from codetune.report.flags import FLAG, MEANING
from codetune.report.fronts import pareto_front
from codetune.report.losses import mean_losses
from codetune.report.sheet import COLUMN, FULL, STYLE, draw_line, new_sheet
from codetune.report.shown import shown_tests
from codetune.study.figures import LAYOUTS, figure_pages
from codetune.study.records import read_records
from conftest import ROOT
from fake_comparisons import fake_comparisons, write_fake_comparisons
from fake_records import with_test, write_fake
from fake_trainings import GIB, MODELS, a_curve, a_log, a_run, untuned, write_log, written
from figure_checks import check_page, draw_pages
from figure_study import SIZES, study_of
from matplotlib.text import Text

OWN = ["figure1", "figure2", "losses", "cost"]
PAPER = str(ROOT / "config/papers/slm-qlora.yaml")


@pytest.fixture
def inputs(tmp_path):
    """The tuned runs with their curves and logs, and the comparisons with the untuned ones."""
    records = [a_run(place) for place in range(len(MODELS))]
    everything = [*records, *(untuned(place) for place in range(len(MODELS)))]
    return {
        "records": [written(tmp_path / "results", record, place) for place, record in enumerate(records)],
        "comparisons": [write_fake_comparisons(fake_comparisons(everything), tmp_path / "results")],
        "paper": PAPER,
    }


@pytest.fixture
def tuned(inputs):
    return read_records(inputs["records"])


@pytest.fixture
def comparisons(tuned):
    return [fake_comparisons([*tuned, *(untuned(place) for place in range(len(MODELS)))])]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Studies of each size, made when they are asked for."""
    return cache(lambda size: study_of(tmp_path_factory.mktemp(f"study{size}"), *SIZES[size]))


def drawn(name, records, comparisons=(), metric="rouge_l"):
    """Draws a figure of one page."""
    (page,) = draw_pages(name, FIGURES[name], records, comparisons, metric).values()
    return page


def data_of(line):
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


def curves_of(axis):
    """The lines of a panel that are systems', by their names."""
    return {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OWN)
def test_pages_are_as_planned_and_fit_print_at_any_size(studies, name, size):
    """1, 5, 15 and 54 systems with seeds: no text or legend lies on another, nothing is cut off, no two look alike."""
    records, comparisons = studies(size)
    pages = draw_pages(name, FIGURES[name], records, comparisons)
    trained = [record.run.system for record in records if record.trains]
    planned = figure_pages(trained, shown_tests(records, comparisons))
    assert list(pages) == [page for page in planned if planned[page].figure == name]
    for page in pages.values():
        check_page(page)


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "execution"])  # whose study has no unit tests
def test_figures_are_written_whole_and_equal_data_give_equal_bytes(tmp_path, inputs, name):
    bytes_of = []
    for attempt in ("a", "b"):
        targets = {kind: str(tmp_path / attempt / f"{name}.{kind}") for kind in ("png", "svg", "pdf")}
        draw_figure(name, inputs, "rouge_l", targets)
        bytes_of.append({kind: Path(path).read_bytes() for kind, path in targets.items()})
    first = bytes_of[0]
    assert first == bytes_of[1]
    assert first["png"].startswith(b"\x89PNG")
    assert first["pdf"].startswith(b"%PDF")
    assert b"<svg" in first["svg"]
    assert b"CreationDate" not in first["pdf"]
    assert b"<dc:date>" not in first["svg"]


def test_a_page_is_drawn_by_its_name(tmp_path, studies):
    records, comparisons = studies(54)
    folder = Path(records[0].folder).parents[4]
    paths = [write_fake(record, folder) for record in records]
    given = {"records": paths, "comparisons": [write_fake_comparisons(comparisons[0], tmp_path)], "paper": PAPER}
    sizes = set()
    for name in ("cost-a", "cost-b"):
        draw_figure(name, given, "rouge_l", {"svg": str(tmp_path / f"{name}.svg")})
        sizes.add((tmp_path / f"{name}.svg").read_bytes())
    assert len(sizes) == 2


@pytest.mark.parametrize("name", ["figure1", "figure2", "losses"])
def test_untuned_runs_among_the_records_change_nothing(tmp_path, inputs, name):
    everything = inputs | {"records": [write_fake(untuned(0), tmp_path / "results"), *inputs["records"]]}
    for folder, given in (("a", inputs), ("b", everything)):
        draw_figure(name, given, "rouge_l", {"svg": str(tmp_path / f"{folder}.svg")})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_every_figure_that_is_planned_can_be_drawn():
    assert list(LAYOUTS) == list(FIGURES)


def test_drawing_needs_no_pyplot_and_leaves_matplotlib_s_settings_alone():
    code = (
        "import sys, matplotlib as mpl\n"
        "settings = lambda: (mpl.get_backend(auto_select=False), mpl.rcParams['font.size'])\n"
        "before = settings()\n"
        "import codetune.report.figure\n"
        "assert settings() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "workflow" / "scripts")


@pytest.mark.parametrize("name", OWN)
def test_a_diverged_training_is_marked_in_every_figure(comparisons, tmp_path, name):
    runs = [a_run(place, problem="no good" if place == 1 else None) for place in range(len(MODELS))]
    tuned = read_records([written(tmp_path, record, place) for place, record in enumerate(runs)])
    figure = drawn(name, tuned, comparisons)
    texts = [text.get_text().replace("\n", "") for text in figure.findobj(Text)]
    assert f"{MODELS[1].label} {FLAG}" in texts
    assert f"{FLAG} {MEANING}" in texts
    assert MODELS[0].label in texts
    check_page(figure)


def test_a_diverged_training_of_several_methods_is_marked_in_its_own_panel(tmp_path):
    records, comparisons = study_of(tmp_path, 2, 2, 1, problem="no good")
    for name in ("losses", "figure2"):
        figure = drawn(name, records, comparisons)
        assert [len(axis.texts) for axis in figure.axes].count(1) == 1
        check_page(figure)


# Figure 1


def test_figure1_has_a_line_for_each_system_and_each_cost(tuned):
    time, speed, memory = drawn("figure1", tuned).axes
    assert [data_of(line)[1][0] for line in time.lines] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert [data_of(line)[1][0] for line in speed.lines] == [3000, 3001, 3002, 3003, 3004]
    assert [data_of(line)[1][0] for line in memory.lines] == [10, 11, 12, 13, 14]
    assert time.get_xlabel() == "training time (GPU hours)"
    assert [text.get_text() for text in memory.texts] == ["10.0", "11.0", "12.0", "13.0", "14.0"]


def test_figure1_shows_the_mean_of_the_seeds_and_their_range(tmp_path):
    runs = [a_run(0, seed, seconds=3600.0 * hours) for seed, hours in enumerate((1, 2, 6))]
    (time, *_) = drawn("figure1", read_records([written(tmp_path, run, 0) for run in runs])).axes
    assert [data_of(line) for line in time.lines] == [[(0, 0), (3, 0)], [(1, 0), (6, 0)]]
    assert [text.get_text() for text in time.texts] == ["3.00"]


def test_figure1_groups_methods_below_their_model(studies):
    (page,) = draw_pages("figure1", FIGURES["figure1"], *studies(15)).values()
    names = [label.get_text() for label in page.axes[0].get_yticklabels()]
    assert names[:5] == ["Llama-3.2-1B", "qlora", "lora", "dora", "Llama-3.2-3B"]


def test_energy_is_shown_where_all_trainings_have_it(tmp_path):
    runs = [a_run(place, energy_joules=7.2e6) for place in (0, 1)]
    *_, energy = drawn("figure1", runs).axes
    assert energy.get_xlabel() == "energy (kWh)"
    assert [data_of(line)[1][0] for line in energy.lines] == [2.0, 2.0]
    assert len(drawn("figure1", [runs[0], a_run(1)]).axes) == 3


def test_short_trainings_on_a_processor_are_told_in_minutes(comparisons):
    memory = PeakMemory("process", GIB)
    tuned = [a_run(place, seconds=90.0, peak_memory=memory) for place in range(len(MODELS))]
    time, _, memory = drawn("figure1", tuned, comparisons).axes
    assert (time.get_xlabel(), memory.get_xlabel()) == ("training time (minutes)", "peak process memory (GiB)")
    assert data_of(time.lines[0])[1][0] == 1.5


# Figure 2


@pytest.mark.parametrize(("metric", "label", "highest"), [("rouge_l", "ROUGE-L", 1), ("bleu", "BLEU", 100)])
def test_figure2_draws_the_curves_of_the_headline_metric(tuned, comparisons, metric, label, highest):
    figure = drawn("figure2", tuned, comparisons, metric)
    steps, tokens, *_ = figure.axes
    assert f"{label} (validation subset)" in [text.get_text() for text in figure.findobj(Text)]
    expected = [
        [(step, pytest.approx(highest * (0.3 + place / 10 + step / 1000))) for step in (0, 50, 100)]
        for place in range(5)
    ]
    assert [data_of(line) for line in steps.lines] == expected
    # 200,000 tokens, twice, in 500 steps.
    assert [data_of(line)[2][0] for line in tokens.lines] == [pytest.approx(0.08)] * 5


def test_gains_have_a_band_of_their_own_and_the_kept_checkpoint(studies):
    records, comparisons = studies(5)
    figure = drawn("figure2", records, comparisons)
    course = read_course([record for record in records if record.trains][:1], "rouge_l")
    panel = figure.axes[2]
    (name,) = set(curves_of(panel)) - {"kept checkpoint of a seed"}
    assert data_of(curves_of(panel)[name]) == [(course.tokens * one.step, one.value) for one in course.gains]
    band = panel.collections[0].get_paths()[0].get_extents()
    assert band.y1 == pytest.approx(max(point.high for point in course.gains))
    assert band.y1 - course.gains[-1].value < 0.03  # of single scores it is 0.04 to both sides
    (kept,) = (line for line in panel.lines if line.get_marker() == "*")
    assert data_of(kept)[0][0] == pytest.approx(course.tokens * course.kept[0])


def test_seeds_are_one_line(studies):
    records, comparisons = studies(15)
    figure = drawn("figure2", records, comparisons)
    assert [len(curves_of(axis)) for axis in figure.axes[:6]] == [5] * 6
    assert [len(curves_of(axis)) for axis in figure.axes[6:]] == [1] * 15


def test_all_pages_and_panels_of_a_figure_have_the_same_axes(studies):
    records, comparisons = studies(54)
    for name in ("losses", "cost"):
        pages = draw_pages(name, FIGURES[name], records, comparisons).values()
        assert len({axis.get_ylim() for page in pages for axis in page.axes}) == 1


def test_a_long_curve_has_a_dozen_markers():
    figure = new_sheet(COLUMN, 2.0, {})
    axis = figure.subplots()
    draw_line(axis, [(step, 0.5) for step in range(51)], {}, "long")
    draw_line(axis, [(step, 0.5) for step in range(5)], {}, "short")
    assert 10 <= len(range(0, 51, axis.lines[0].get_markevery())) <= 13
    assert axis.lines[1].get_markevery() == 1


def test_a_curve_leaves_out_steps_at_which_the_metric_applies_to_no_sample(tuned):
    curve = a_curve(0)
    curve["points"][1]["scores"]["rouge_l"] = {"score": None, "interval": None}
    tuned[0].curve.write_text(json.dumps(curve))
    course = read_course(tuned[:1], "rouge_l")
    assert [point.step for point in course.scores] == [0, 100]
    assert course.gains == []  # of a file of an earlier version


def test_a_curve_of_too_few_samples_for_an_interval_has_a_band_without_width(tuned):
    curve = a_curve(0)
    for point in curve["points"]:
        point["scores"]["rouge_l"] = {"score": 0.5, "interval": None}
    tuned[0].curve.write_text(json.dumps(curve))
    assert {one[1:] for one in read_course(tuned[:1], "rouge_l").scores} == {(0.5, 0.5, 0.5)}


# Losses


def test_training_losses_are_means_from_one_evaluation_to_the_next():
    assert mean_losses(a_log(0)) == [(3, pytest.approx(1.5)), (6, pytest.approx(0.8))]
    assert mean_losses([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 3.0}]) == [(2, 2.0)]
    assert mean_losses([{"step": 0, "eval_loss": 1.0}]) == []


def test_losses_are_on_one_scale_with_their_gap_and_the_kept_checkpoint(tuned):
    panel = drawn("losses", tuned).axes[1]
    training, validation, kept = panel.lines
    assert data_of(training) == [(3, pytest.approx(2.5)), (6, pytest.approx(1.8))]
    assert data_of(validation) == [(0, 0.1), (3, pytest.approx(2.23)), (6, pytest.approx(2.26))]
    assert data_of(kept) == [(100, 0.0)]
    gap = panel.collections[0].get_paths()[0].get_extents()
    assert (gap.x0, gap.x1) == (3, 6)
    assert (gap.y0, gap.y1) == (pytest.approx(1.8), pytest.approx(2.5))


def test_losses_that_are_no_number_are_gaps(tuned):
    rows = a_log(0)
    rows[2] |= {"loss": None, "grad_norm": None}
    rows[-1] |= {"eval_loss": None}
    rows += [{"step": step, "loss": None} for step in (7, 8, 9)] + [{"step": 9, "eval_loss": None}]
    write_log(tuned[0], rows)
    (panel,) = drawn("losses", read_records([Path(tuned[0].folder) / "record.json"])).axes
    training, validation, _ = panel.lines
    points = [(3, math.nan), (6, 0.8), (9, math.nan)]
    assert data_of(training) == [pytest.approx(point, nan_ok=True) for point in points]
    points = [(0, 0.1), (3, 1.23), (6, math.nan), (9, math.nan)]
    assert data_of(validation) == [pytest.approx(point, nan_ok=True) for point in points]


# Costs


def test_the_cost_sets_scores_against_training_and_generation(tuned, comparisons):
    time, memory, generation, _ = drawn("cost", tuned, comparisons).axes
    points = [data_of(line)[0] for line in curves_of(time).values()]
    assert points == [(0.5 * (k + 1), pytest.approx(0.4 + k / 100)) for k in range(5)]
    assert [data_of(line)[0][0] for line in curves_of(memory).values()] == [10, 11, 12, 13, 14]
    assert generation.get_xlabel() == "generation (seconds per sample)"
    assert {data_of(line)[0][0] for line in curves_of(generation).values()} == {6.0}


def test_untuned_models_take_no_training_but_generate(tuned):
    everything = [*(untuned(place) for place in range(5)), *tuned]
    time, _, generation, _ = drawn("cost", everything, [fake_comparisons(everything)]).axes
    found = {name: data_of(line)[0][0] for name, line in curves_of(time).items()}
    assert [found[f"{model.label}, base"] for model in MODELS] == [0.0] * 5
    assert len(curves_of(generation)) == 10


def test_scores_have_intervals_and_costs_ranges(studies):
    records, comparisons = studies(15)
    (page,) = draw_pages("cost", FIGURES["cost"], records, comparisons).values()
    axis = page.axes[0]
    bars = [data_of(line) for line in axis.lines if line.get_marker() == "None"]
    upright = [bar for bar in bars if len(bar) == 2 and bar[0][0] == bar[1][0] and bar[0][1] != bar[1][1]]
    level = [bar for bar in bars if len(bar) == 2 and bar[0][1] == bar[1][1]]
    assert len(upright) == 15  # five tuned and ten untuned
    assert len(level) == 5


def test_nothing_is_above_or_left_of_the_front():
    points = [(0, 0.3), (0, 0.2), (1, 0.25), (2, 0.5), (3, 0.5), (2, 0.4)]
    assert pareto_front(points) == [(0, 0.3), (2, 0.5)]
    assert pareto_front([]) == []


@pytest.mark.parametrize(("metric", "label", "highest"), [("rouge_l", "ROUGE-L", 1), ("bleu", "BLEU", 100)])
def test_the_cost_is_set_against_the_headline_metric(tuned, comparisons, metric, label, highest):
    figure = drawn("cost", tuned, comparisons, metric)
    assert f"{label} (test samples)" in [text.get_text() for text in figure.findobj(Text)]
    found = [data_of(line)[0][1] for line in curves_of(figure.axes[0]).values()]
    assert found == pytest.approx([highest * (0.4 + k / 100) for k in range(5)])


def test_a_system_without_a_score_has_no_point_in_the_cost(tuned):
    tuned[1] = with_test(tuned[1], "alpaca", {"rouge_l": None, "bleu": 50.0})
    figure = drawn("cost", tuned, [fake_comparisons(tuned)])
    assert [len(curves_of(axis)) for axis in figure.axes] == [4, 4, 4, 0]


def test_each_test_set_has_a_page_of_costs():
    tuned = [with_test(a_run(place), "evol", {"rouge_l": 0.1}) for place in (0, 1)]
    comparisons = [fake_comparisons(tuned, test) for test in ("alpaca", "evol")]
    pages = draw_pages("cost", FIGURES["cost"], tuned, comparisons)
    assert list(pages) == ["cost-a", "cost-b"]
    labels = [{text.get_text() for text in page.findobj(Text)} for page in pages.values()]
    assert "ROUGE-L (alpaca)" in labels[0]
    assert "ROUGE-L (evol)" in labels[1]
    assert [data_of(line)[0][1] for line in curves_of(pages["cost-b"].axes[0]).values()] == [0.1, 0.1]


# The sheet


def test_a_long_legend_makes_the_sheet_higher_and_not_its_panels_smaller():
    heights = []
    for count in (2, 30):
        with mpl.rc_context(STYLE):
            figure = new_sheet(FULL, 2.0, {f"a model with a name, no. {place}": {} for place in range(count)})
            axis = figure.subplots()
            figure.draw_without_rendering()
        heights.append(axis.bbox.height)
        assert not figure.legends[0].get_window_extent().overlaps(axis.get_tightbbox())
    assert heights[1] == pytest.approx(heights[0], rel=0.05)
