"""How runs look in figures: different where they differ, alike where they do not, in grey too."""

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
