"""How runs look in figures: different where they differ, alike where they do not, in grey too."""

from dataclasses import replace

from codetune.report.figure import draw_figure1
from codetune.report.shown import Shown
from codetune.report.style import looks_of, names_of
from fake_records import fake_record
from fake_trainings import GEMMA, MODELS, a_run


def test_families_and_sizes_stay_apart_in_colour_and_in_grey():
    looks = looks_of([a_run(place) for place in range(len(MODELS))])
    small, large, gemma, qwen, _ = looks
    assert small["color"] == large["color"]
    assert small["marker"] == large["marker"]
    assert len({one["color"] for one in (small, gemma, qwen)}) == 3
    assert len({one["marker"] for one in (small, gemma, qwen)}) == 3
    in_grey = {(look["marker"], look["markerfacecolor"] == "white") for look in looks}
    assert len(in_grey) == len(looks)
    assert small["linestyle"] != large["linestyle"]


def test_seeds_share_a_look_and_methods_do_not():
    first, second, other = looks_of([a_run(2, 0), a_run(2, 1), a_run(2, 0, "lora")])
    assert first == second
    assert first != other


def test_names_have_what_tells_runs_apart_and_no_more():
    label = GEMMA.label
    assert names_of([fake_record(GEMMA, "qlora"), fake_record(GEMMA, "qlora", seed=1)]) == [label, label]
    assert names_of([fake_record(GEMMA, "qlora", seed=seed) for seed in (0, 1)], seeds=True) == [
        f"{label}, seed 0",
        f"{label}, seed 1",
    ]
    assert names_of([fake_record(GEMMA, "base"), fake_record(GEMMA, "qlora")]) == [f"{label}, base", f"{label}, qlora"]
    assert names_of([fake_record(GEMMA, "qlora", data=data) for data in ("a", "b")]) == [f"{label}, a", f"{label}, b"]


def test_four_runs_of_one_family_look_different_without_lines():
    looks = looks_of([fake_record(GEMMA, method) for method in ("a", "b", "c", "d")])
    assert len({(look["markerfacecolor"], look.get("fillstyle")) for look in looks}) == 4


def test_sixteen_methods_of_one_model_look_different():
    looks = looks_of([fake_record(GEMMA, f"method-{place}") for place in range(16)])
    shown = [{key: look.get(key) for key in ("linestyle", "markerfacecolor", "fillstyle")} for look in looks]
    assert all(one not in shown[:place] for place, one in enumerate(shown))


def test_many_methods_of_many_models_with_seeds_are_drawn(tmp_path):
    """Six models, seven trained methods, three seeds: figures grow, and no name is lost."""
    records = [
        replace(fake_record(f"m-{model}", f"method-{method}", seed=seed), folder=str(tmp_path))
        for model in range(6)
        for method in range(7)
        for seed in range(3)
    ]
    figure = draw_figure1(Shown(records, [], "rouge_l"))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(names)) == len(records)
    assert len(set(names_of(records))) == 6 * 7
