"""Figures: what is drawn is what was found, nothing is cut off, and equal data give equal bytes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from codetune.base.machine import PeakMemory
from codetune.report.figure import FIGURES, draw_figure, mean_losses, read_curve
from codetune.report.flags import FLAG, MEANING
from codetune.report.shown import Shown
from codetune.report.style import STYLE
from codetune.study.record import read_records
from conftest import ROOT
from fake_comparisons import fake_comparisons, write_fake_comparisons
from fake_records import with_test, write_fake
from fake_trainings import GIB, MODELS, a_curve, a_log, a_run, untuned, write_log, written
from matplotlib.colors import to_hex
from matplotlib.text import Text


@pytest.fixture
def inputs(tmp_path):
    """The tuned runs with their curves and logs, and the comparisons with the untuned ones."""
    records = [a_run(place) for place in range(len(MODELS))]
    everything = [*records, *(untuned(place) for place in range(len(MODELS)))]
    return {
        "records": [written(tmp_path / "results", record, place) for place, record in enumerate(records)],
        "comparisons": [write_fake_comparisons(fake_comparisons(everything), tmp_path / "results")],
    }


def drawn(name, records, comparisons=(), metric="rouge_l"):
    """Draws a figure and gives it back instead of writing it."""
    with mpl.rc_context(STYLE):
        figure = FIGURES[name](Shown(records, comparisons, metric))
        figure.draw_without_rendering()
    return figure


@pytest.fixture
def tuned(inputs):
    return read_records(inputs["records"])


@pytest.fixture
def comparisons(tuned):
    return [fake_comparisons([*tuned, *(untuned(place) for place in range(len(MODELS)))])]


def data_of(line):
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


@pytest.mark.parametrize("name", FIGURES)
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


def test_untuned_runs_among_the_records_change_nothing(tmp_path, inputs):
    everything = inputs | {"records": [*inputs["records"], write_fake(untuned(0), tmp_path / "results")]}
    for name, given in (("a", inputs), ("b", everything)):
        draw_figure("forest", given, "rouge_l", {"svg": str(tmp_path / f"{name}.svg")})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


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


@pytest.mark.parametrize("name", FIGURES)
def test_at_the_printed_size_nothing_is_cut_off_or_too_small(tuned, comparisons, name):
    figure = drawn(name, tuned, comparisons)
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width <= 7.0  # inches: two columns
    assert box.y1 <= height
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert sizes
    assert min(sizes) >= 7


@pytest.mark.parametrize("name", ["figure2", "losses", "cost"])
def test_the_legend_names_every_model_once_and_hides_no_panel(tmp_path, comparisons, name):
    runs = [(place, seed) for seed in (0, 1) for place in (0, 1)] + [(2, 0)]
    tuned = read_records([written(tmp_path, a_run(place, seed), place) for place, seed in runs])
    figure = drawn(name, tuned, comparisons)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert [text for text in names if "kept" not in text] == [model.label for model in MODELS[:3]]
    assert not any(legend.get_window_extent().overlaps(axis.get_tightbbox()) for axis in figure.axes)


def test_figure1_has_a_bar_for_each_run_and_each_cost(tuned):
    time, speed, memory = drawn("figure1", tuned).axes
    assert [bar.get_width() for bar in time.patches] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert [bar.get_width() for bar in speed.patches] == [3000, 3001, 3002, 3003, 3004]
    assert [bar.get_width() for bar in memory.patches] == [10, 11, 12, 13, 14]
    assert time.get_xlabel() == "training time (GPU hours)"


@pytest.mark.parametrize(("metric", "label", "highest"), [("rouge_l", "ROUGE-L", 1), ("bleu", "BLEU", 100)])
def test_figure2_draws_the_curves_of_the_headline_metric(tuned, comparisons, metric, label, highest):
    (axis,) = drawn("figure2", tuned, comparisons, metric).axes
    assert axis.get_ylabel() == f"{label} (validation subset)"
    assert [data_of(line) for line in axis.lines] == [
        [(step, pytest.approx(highest * (0.3 + place / 10 + step / 1000))) for step in (0, 50, 100)]
        for place in range(5)
    ]
    band = axis.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(0.25 * highest), pytest.approx(0.45 * highest))


def test_a_long_curve_has_a_dozen_markers(tuned, comparisons):
    tuned[0].curve.write_text(json.dumps(a_curve(0, range(51))))
    (axis,) = drawn("figure2", tuned, comparisons).axes
    assert 10 <= len(range(0, 51, axis.lines[0].get_markevery())) <= 13
    assert axis.lines[1].get_markevery() == 1


def test_a_curve_leaves_out_steps_at_which_the_metric_applies_to_no_sample(tmp_path):
    curve = a_curve(0)
    curve["points"][1]["scores"]["rouge_l"] = {"score": None, "interval": None}
    (tmp_path / "curve.json").write_text(json.dumps(curve))
    assert [point.step for point in read_curve(tmp_path / "curve.json", "rouge_l")] == [0, 100]


def test_a_curve_of_too_few_samples_for_an_interval_is_drawn_without_a_band(tmp_path):
    curve = a_curve(0)
    for point in curve["points"]:
        point["scores"]["rouge_l"] = {"score": 0.5, "interval": None}
    (tmp_path / "curve.json").write_text(json.dumps(curve))
    assert {(one.score, one.low, one.high) for one in read_curve(tmp_path / "curve.json", "rouge_l")} == {
        (0.5, 0.5, 0.5)
    }


def test_training_losses_are_means_from_one_evaluation_to_the_next():
    assert mean_losses(a_log(0)) == [(3, pytest.approx(1.5)), (6, pytest.approx(0.8))]
    assert mean_losses([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 3.0}]) == [(2, 2.0)]
    assert mean_losses([{"step": 0, "eval_loss": 1.0}]) == []


def test_the_losses_and_the_ring_at_the_lowest(tuned):
    above, below = drawn("losses", tuned).axes
    assert data_of(above.lines[1]) == [(3, pytest.approx(2.5)), (6, pytest.approx(1.8))]
    assert data_of(below.lines[0]) == [(0, 0.1), (3, pytest.approx(1.23)), (6, pytest.approx(1.26))]
    assert data_of(below.lines[1]) == [(3, pytest.approx(1.23))]  # the untuned model's own is lower, and no adapter
    assert to_hex(below.lines[1].get_color()) == to_hex(below.lines[0].get_color())


def test_losses_that_are_no_number_are_gaps_and_never_the_lowest(tuned):
    rows = a_log(0)
    rows[2] |= {"loss": None, "grad_norm": None}
    rows[-1] |= {"eval_loss": None}
    rows += [{"step": step, "loss": None} for step in (7, 8, 9)] + [{"step": 9, "eval_loss": None}]
    write_log(tuned[0], rows)
    above, below = drawn("losses", read_records([Path(tuned[0].folder) / "record.json"])).axes
    points = [(3, math.nan), (6, 0.8), (9, math.nan)]
    assert data_of(above.lines[0]) == [pytest.approx(point, nan_ok=True) for point in points]
    points = [(0, 0.1), (3, 1.23), (6, math.nan), (9, math.nan)]
    assert data_of(below.lines[0]) == [pytest.approx(point, nan_ok=True) for point in points]
    assert data_of(below.lines[1]) == [(3, pytest.approx(1.23))]


@pytest.mark.parametrize("name", FIGURES)
def test_a_diverged_training_is_marked_in_every_figure(comparisons, tmp_path, name):
    runs = [a_run(place, problem="no good" if place == 1 else None) for place in range(len(MODELS))]
    tuned = read_records([written(tmp_path, record, place) for place, record in enumerate(runs)])
    figure = drawn(name, tuned, comparisons)
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert f"{MODELS[1].label} {FLAG}" in texts
    assert f"{FLAG} {MEANING}" in texts
    assert MODELS[0].label in texts
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width <= 7.0
    assert 0 <= box.y0 < box.y1 <= height
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(axis.get_tightbbox()) for axis in figure.axes)


def test_the_cost_has_time_and_memory_and_energy_where_it_was_measured(tuned, comparisons):
    time, memory = drawn("cost", tuned, comparisons).axes
    assert [data_of(line)[0] for line in time.lines] == [
        (0.5 * (k + 1), pytest.approx(0.4 + k / 100)) for k in range(5)
    ]
    assert [data_of(line)[0][0] for line in memory.lines] == [10, 11, 12, 13, 14]
    tuned[2] = a_run(2, energy_joules=7.2e6)
    axes = drawn("cost", tuned, comparisons).axes
    assert [axis.get_xlabel() for axis in axes][2:] == ["energy (kWh)"]
    assert [data_of(line) for line in axes[2].lines] == [[(2.0, pytest.approx(0.42))]]


@pytest.mark.parametrize(("metric", "label", "highest"), [("rouge_l", "ROUGE-L", 1), ("bleu", "BLEU", 100)])
def test_the_cost_is_set_against_the_headline_metric(tuned, comparisons, metric, label, highest):
    time, _ = drawn("cost", tuned, comparisons, metric).axes
    assert time.get_ylabel() == f"{label} (test samples)"
    assert [data_of(line)[0][1] for line in time.lines] == pytest.approx([highest * (0.4 + k / 100) for k in range(5)])


def test_a_run_without_a_score_has_no_point_in_the_cost(tuned, comparisons):
    tuned[1] = with_test(tuned[1], "alpaca", {"rouge_l": None})
    assert [len(axis.lines) for axis in drawn("cost", tuned, comparisons).axes] == [4, 4]


def test_short_trainings_on_a_processor_are_told_in_minutes(comparisons):
    memory = PeakMemory("process", GIB)
    tuned = [a_run(place, seconds=90.0, peak_memory=memory) for place in range(len(MODELS))]
    time, memory = drawn("cost", tuned, comparisons).axes
    assert (time.get_xlabel(), memory.get_xlabel()) == ("training time (minutes)", "peak process memory (GiB)")
    assert data_of(time.lines[0])[0][0] == 1.5


def test_each_test_set_has_a_row_of_panels_in_the_cost():
    tuned = [with_test(a_run(place), "evol", {"rouge_l": 0.1}) for place in (0, 1)]
    comparisons = [fake_comparisons(tuned, test) for test in ("alpaca", "evol")]
    time, _, time_of_second, _ = drawn("cost", tuned, comparisons).axes
    assert (time.get_ylabel(), time_of_second.get_ylabel()) == ("ROUGE-L (alpaca)", "ROUGE-L (evol)")
    assert [data_of(line)[0][1] for line in time_of_second.lines] == [0.1, 0.1]


def test_a_long_legend_makes_the_figure_taller_instead_of_the_panel_smaller(comparisons):
    few, many = [a_run(place) for place in (0, 1)], [a_run(place, method=name) for place in range(5) for name in "abc"]
    heights = []
    for records in (few, many):
        figure = drawn("cost", records, comparisons)
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] > 0.75 * heights[0]
