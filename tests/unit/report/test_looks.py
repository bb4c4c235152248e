"""How systems look in figures: different where they stand in one panel, the same on every page, in grey too."""

from itertools import combinations

import pytest
from codetune.report.looks import FILLS, LINES, Looks, by_model, by_treatment, in_lines, spread_of
from codetune.study.figures import MODELS
from codetune.study.runs import System
from fake_records import fake_method, fake_model, fake_record
from fake_trainings import GEMMA


def looks_of(models, methods, untuned=("base", "base-chat")):
    """Looks in a study of so many models and methods, and of one model that is not trained, which stands first."""
    names = [f"m{place}" for place in range(models)]
    records = [fake_record(name, method) for name in ("phi", *names) for method in untuned]
    records += [fake_record(name, f"method-{place}") for name in names for place in range(methods)]
    return Looks.of_study(records)


def in_grey(look):
    return [look.get(key) for key in ("marker", "linestyle", "fillstyle", "markeredgewidth")] + [
        look["markerfacecolor"] == "white"
    ]


@pytest.mark.parametrize("models", [1, 5, 7, 13])
def test_the_models_of_a_panel_differ_in_colour_and_in_grey_by_their_markers(models):
    looks = looks_of(models, 2)
    for systems in by_treatment([one for one in looks.systems if one in looks.tuned][: 2 * MODELS]).values():
        found = [looks.of(system) for system in systems]
        assert len({look["color"] for look in found}) == len({look["marker"] for look in found}) == len(found)


@pytest.mark.parametrize("methods", [2, 9, 24])
def test_the_methods_of_a_model_differ_in_line_and_filling(methods):
    looks = looks_of(2, methods)
    for systems in by_model(looks.systems).values():
        found = [in_grey(looks.of(system)) for system in systems]
        assert all(one != other for one, other in combinations(found, 2))
    assert len(LINES) * len(FILLS) == 24


def test_hollow_is_who_is_not_trained_and_nobody_else():
    looks = looks_of(3, 9)
    for system in looks.systems:
        is_hollow = looks.of(system)["markerfacecolor"] == "white" or looks.of(system).get("fillstyle") == "top"
        assert is_hollow == (system not in looks.tuned)


def test_looks_are_the_same_whether_untuned_systems_are_known_or_not():
    looks = looks_of(5, 3)
    trained = [one for one in looks.systems if one in looks.tuned]
    alone = Looks(tuple(trained), looks.labels, looks.marked, looks.tuned)
    assert [alone.of(system) for system in trained] == [looks.of(system) for system in trained]


def test_a_panel_has_no_more_models_than_there_are_colours():
    with pytest.raises(AssertionError):
        by_treatment([System("d", f"m{place}", "qlora") for place in range(MODELS + 1)])


def test_names_have_what_tells_systems_apart_and_no_more():
    def names(*records):
        looks = Looks.of_study(records)
        return [looks.name(system) for system in looks.systems]

    label = GEMMA.label
    assert names(fake_record(GEMMA, "qlora"), fake_record(GEMMA, "qlora", seed=1)) == [label]
    assert names(fake_record(GEMMA, "qlora"), fake_record(GEMMA, "base")) == [label, f"{label}, base"]
    assert names(fake_record(GEMMA, "qlora"), fake_record(GEMMA, "lora")) == [f"{label}, qlora", f"{label}, lora"]
    of_data = names(*(fake_record(GEMMA, "qlora", data=data) for data in ("a", "b")))
    assert [name.replace("\n", "") for name in of_data] == [f"{label}, qlora, a", f"{label}, qlora, b"]


def test_models_that_look_alike_have_names_of_their_own_in_the_legend():
    looks = Looks.of_study([fake_record(fake_model("a", label="A\nB"), fake_method("qlora"))])
    assert list(looks.model_entries(looks.systems)) == ["A\\nB"]


def test_long_names_are_broken_and_lose_nothing():
    name = "a model with a long name " * 4
    lines = in_lines(name, 20).split("\n")
    assert max(map(len, lines)) <= 20
    assert "".join(lines) == name


def test_seeds_are_one_value_with_its_range():
    assert spread_of([1.0, 2.0, 6.0]) == (3.0, 1.0, 6.0)
