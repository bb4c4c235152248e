"""Figures: what is drawn is what was found, nothing is cut off, and equal data give equal bytes."""

import json
from pathlib import Path

import pytest
from codetune.report import figures
from codetune.report.figures import draw_cost, draw_figure1, draw_figure2, draw_forest, draw_losses, mean_losses
from codetune.report.style import looks_of
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.text import Text

MODELS = {
    "llama-3.2-1b": {"label": "Llama-3.2-1B, miniature", "family": "Llama"},
    "llama-3.2-3b": {"label": "Llama-3.2-3B, miniature", "family": "Llama"},
    "gemma-2-2b": {"label": "Gemma-2-2b-it, miniature", "family": "Gemma"},
    "qwen2.5-1.5b": {"label": "Qwen2.5-1.5B, miniature", "family": "Qwen"},
    "qwen2.5-3b": {"label": "Qwen2.5-3B, miniature", "family": "Qwen"},
}
GIB = 2**30


def a_run(model, seed=0, method="qlora"):
    return {"dataset": "d", "model": model, "method": method, "seed": seed}


RUNS = [a_run(model) for model in MODELS]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def a_log(place):
    """Two epochs of three steps; the lowest validation loss but for step 0 is that of step 3."""
    losses = [2.0, 1.5, 1.0, 0.9, 0.8, 0.7]
    rows = [{"step": 0, "eval_loss": 0.1}]
    for step, loss in enumerate(losses, start=1):
        rows.append({"step": step, "loss": loss + place})
        if step % 3 == 0:
            rows.append({"step": step, "eval_loss": 1.2 + place + step / 100})
    return rows


@pytest.fixture
def files(tmp_path):
    """Curves, logs, records and summaries of the runs, each with numbers of its own."""
    found = {kind: [] for kind in ("curves", "logs", "records", "summaries")}
    for place in range(len(RUNS)):
        folder = tmp_path / str(place)
        scores = [(step, 0.3 + place / 10 + step / 1000) for step in (0, 50, 100)]
        points = [{"step": step, "rouge_l": score, "interval": [score - 0.05, score + 0.05]} for step, score in scores]
        found["curves"].append(write(folder / "curve.json", json.dumps({"points": points})))
        found["logs"].append(write(folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in a_log(place))))
        cost = {"seconds": 1800.0 * (place + 1), "tokens_per_second": 3000.0 + place}
        cost["peak_memory"] = {"of": "GPU", "bytes": (place + 10) * GIB}
        found["records"].append(write(folder / "training.json", json.dumps({"cost": cost})))
        found["summaries"].append(
            write(folder / "summary.json", json.dumps({"scores": {"rouge_l": 0.4 + place / 100}}))
        )
    gains = [
        {
            **a_run(model),
            "metric": "rouge_l",
            "gain": 0.05 * place - 0.05,
            "interval": [0.05 * place - 0.1, 0.05 * place],
        }
        for place, model in enumerate(MODELS)
    ]
    labels = {"metrics": {"rouge_l": {"label": "ROUGE-L"}}}
    found["significance"] = write(tmp_path / "significance.json", json.dumps({**labels, "gains": gains}))
    return found


def draw(name, files, outputs, runs=RUNS):
    if name == "figure1":
        draw_figure1(runs, MODELS, files["records"], outputs)
    elif name == "figure2":
        draw_figure2(runs, MODELS, files["curves"], outputs)
    elif name == "losses":
        draw_losses(runs, MODELS, files["logs"], outputs)
    elif name == "forest":
        draw_forest(runs, MODELS, files["significance"], "rouge_l", outputs)
    else:
        draw_cost(runs, MODELS, files["records"], files["summaries"], outputs)


FIGURES = ["figure1", "figure2", "losses", "cost", "forest"]


@pytest.fixture
def drawn(monkeypatch, files):
    """Draws a figure and gives it back instead of writing it."""
    kept = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, outputs: kept.append(figure))

    def one(name, runs=RUNS):
        draw(name, files, {}, runs)
        return kept[-1]

    yield one
    plt.close("all")


def data_of(line):
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written_whole_and_equal_data_give_equal_bytes(tmp_path, files, name):
    bytes_of = []
    for attempt in ("a", "b"):
        targets = {kind: str(tmp_path / attempt / f"{name}.{kind}") for kind in ("png", "svg", "pdf")}
        draw(name, files, targets)
        bytes_of.append({kind: Path(path).read_bytes() for kind, path in targets.items()})
    first = bytes_of[0]
    assert first == bytes_of[1]
    assert first["png"].startswith(b"\x89PNG")
    assert first["pdf"].startswith(b"%PDF")
    assert b"<svg" in first["svg"]
    assert b"CreationDate" not in first["pdf"]
    assert b"<dc:date>" not in first["svg"]


@pytest.mark.parametrize("name", FIGURES)
def test_at_the_printed_size_nothing_is_cut_off_or_too_small(drawn, name):
    figure = drawn(name)
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width <= 7.0  # inches: two columns
    assert box.y1 <= height
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert sizes
    assert min(sizes) >= 7


@pytest.mark.parametrize("name", ["figure2", "losses", "cost"])
def test_the_legend_names_every_model_once_and_hides_no_panel(drawn, name):
    pair = list(MODELS)[:2]
    figure = drawn(name, [a_run(model, seed) for seed in (0, 1) for model in pair] + [a_run("gemma-2-2b")])
    figure.canvas.draw()
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    expected = [MODELS[model]["label"] for model in (*pair, "gemma-2-2b")]
    assert [text for text in names if "adapter" not in text] == expected
    assert not any(legend.get_window_extent().overlaps(axis.get_tightbbox()) for axis in figure.axes)


def test_families_and_sizes_stay_apart_in_colour_and_in_grey():
    looks = dict(zip(MODELS, looks_of(RUNS, MODELS), strict=True))
    small, large, gemma, qwen = (looks[key] for key in ("llama-3.2-1b", "llama-3.2-3b", "gemma-2-2b", "qwen2.5-1.5b"))
    assert small["color"] == large["color"]
    assert small["marker"] == large["marker"]
    assert len({one["color"] for one in (small, gemma, qwen)}) == 3
    assert len({one["marker"] for one in (small, gemma, qwen)}) == 3
    in_grey = {(look["marker"], look["markerfacecolor"] == "white") for look in looks.values()}
    assert len(in_grey) == len(looks)
    assert small["linestyle"] != large["linestyle"]


def test_seeds_share_a_look_and_methods_do_not():
    runs = [a_run("gemma-2-2b", 0), a_run("gemma-2-2b", 1), a_run("gemma-2-2b", 0, "lora")]
    first, second, other = looks_of(runs, MODELS)
    assert first == second
    assert first != other


def test_figure1_has_a_bar_for_each_run_and_each_cost(drawn):
    time, speed, memory = drawn("figure1").axes
    assert [bar.get_width() for bar in time.patches] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert [bar.get_width() for bar in speed.patches] == [3000, 3001, 3002, 3003, 3004]
    assert [bar.get_width() for bar in memory.patches] == [10, 11, 12, 13, 14]
    assert time.get_xlabel() == "training time (GPU hours)"


def test_figure2_draws_the_curves(drawn):
    (axis,) = drawn("figure2").axes
    assert [data_of(line) for line in axis.lines] == [
        [(step, pytest.approx(0.3 + place / 10 + step / 1000)) for step in (0, 50, 100)] for place in range(5)
    ]


def test_a_long_curve_has_a_dozen_markers(drawn, files):
    points = [{"step": step, "rouge_l": 0.3, "interval": [0.2, 0.4]} for step in range(51)]
    Path(files["curves"][0]).write_text(json.dumps({"points": points}))
    (axis,) = drawn("figure2").axes
    assert 10 <= len(range(0, 51, axis.lines[0].get_markevery())) <= 13
    assert axis.lines[1].get_markevery() == 1


def test_training_losses_are_means_from_one_evaluation_to_the_next():
    assert mean_losses(a_log(0)) == [(3, pytest.approx(1.5)), (6, pytest.approx(0.8))]
    assert mean_losses([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 3.0}]) == [(2, 2.0)]
    assert mean_losses([{"step": 0, "eval_loss": 1.0}]) == []


def test_the_losses_and_the_ring_at_the_lowest(drawn):
    above, below = drawn("losses").axes
    assert data_of(above.lines[1]) == [(3, pytest.approx(2.5)), (6, pytest.approx(1.8))]
    assert data_of(below.lines[0]) == [(0, 0.1), (3, pytest.approx(1.23)), (6, pytest.approx(1.26))]
    assert data_of(below.lines[1]) == [(3, pytest.approx(1.23))]  # the untuned model's own is lower, and no adapter
    assert to_hex(below.lines[1].get_color()) == to_hex(below.lines[0].get_color())


def test_the_cost_has_time_and_memory_and_energy_where_it_was_measured(drawn, files):
    time, memory = drawn("cost").axes
    assert [data_of(line)[0] for line in time.lines] == [
        (0.5 * (k + 1), pytest.approx(0.4 + k / 100)) for k in range(5)
    ]
    assert [data_of(line)[0][0] for line in memory.lines] == [10, 11, 12, 13, 14]
    record = json.loads(Path(files["records"][2]).read_text())
    record["cost"]["energy_joules"] = 7.2e6
    Path(files["records"][2]).write_text(json.dumps(record))
    axes = drawn("cost").axes
    assert [axis.get_xlabel() for axis in axes][2:] == ["energy (kWh)"]
    assert [data_of(line) for line in axes[2].lines] == [[(2.0, pytest.approx(0.42))]]


def test_short_trainings_on_a_processor_are_told_in_minutes(drawn, files):
    for path in files["records"]:
        record = {"seconds": 90.0, "tokens_per_second": 1.0, "peak_memory": {"of": "process", "bytes": GIB}}
        Path(path).write_text(json.dumps({"cost": record}))
    time, memory = drawn("cost").axes
    assert (time.get_xlabel(), memory.get_xlabel()) == ("training time (minutes)", "peak process memory (GiB)")
    assert data_of(time.lines[0])[0][0] == 1.5


def test_the_forest_has_every_gain_with_its_interval_and_is_hollow_where_that_holds_zero(drawn):
    (axis,) = drawn("forest").axes
    lines = [line for line in axis.get_lines() if line.get_marker() == "None" and len(set(line.get_xdata())) == 2]
    points = [line for line in axis.get_lines() if line.get_marker() != "None"]
    assert len(lines) == len(points) == len({run["model"] for run in RUNS})
    for line, point in zip(lines, points, strict=True):
        low, high = line.get_xdata()
        assert low < point.get_xdata()[0] < high
        assert (point.get_markerfacecolor() == "white") == (low <= 0 <= high)
    assert axis.get_xlabel() == "gain in ROUGE-L by tuning"
