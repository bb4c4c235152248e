"""The pages of figures: known from the systems of a study, each system on one of them, none fuller than a page."""

from itertools import product

import pytest
from codetune.study.figures import LAYOUTS, MODELS, ShownTests, chunks, figure_pages, pages_of, treatment_of
from codetune.study.runs import System

SIZES = [(1, 1), (5, 1), (5, 3), (6, 9), (9, 2), (20, 30)]


def systems_of(models, methods):
    return [System("d", f"m{model}", f"x{method}") for model, method in product(range(models), range(methods))]


@pytest.mark.parametrize(("models", "methods"), SIZES)
@pytest.mark.parametrize("figure", LAYOUTS)
def test_each_system_that_trains_is_on_one_page_of_each_view(figure, models, methods):
    systems = systems_of(models, methods)
    pages = pages_of(figure, systems, ShownTests(["t"], executed=["t"]))
    for view in {page.view for page in pages}:
        shown = [system for page in pages if page.view == view for system in page.systems]
        assert sorted(shown) == sorted(systems)


@pytest.mark.parametrize("figure", LAYOUTS)
def test_a_single_page_has_the_figure_s_name_and_several_have_letters(figure):
    (page,) = pages_of(figure, systems_of(1, 1), ShownTests(["t"], executed=["t"]))
    assert (page.name, page.letter) == (figure, "")
    pages = pages_of(figure, systems_of(20, 30), ShownTests(["t"], executed=["t"]))
    assert [page.name for page in pages[:2]] == [f"{figure}-a", f"{figure}-b"]
    assert len({page.name for page in pages}) == len(pages)
    if len(pages) > 26:
        assert pages[26].letter == "aa"


def test_a_study_that_trains_nothing_has_no_pages():
    assert figure_pages([], ShownTests(["t"], executed=["t"])) == {}


@pytest.mark.parametrize("figure", LAYOUTS)
def test_systems_with_examples_are_in_the_figures_of_scores_and_gains_alone(figure):
    trained, examples = systems_of(2, 1), [System("d", "m1", "few"), System("d", "m9", "few")]
    pages = pages_of(figure, trained, ShownTests(["t"], executed=["t"]), examples)
    shown = [*trained, *examples] if figure in ("dumbbell", "forest") else trained
    assert sorted(system for page in pages for system in page.systems) == sorted(shown)


def test_the_cost_has_a_page_for_each_test_set():
    assert [(page.name, page.view) for page in pages_of("cost", systems_of(2, 2), ShownTests(["s", "t"]))] == [
        ("cost-a", "s"),
        ("cost-b", "t"),
    ]


def test_curves_of_few_methods_have_one_page_and_of_many_one_per_view():
    assert [page.view for page in pages_of("figure2", systems_of(5, 3), ShownTests([]))] == ["scores and gains"]
    assert [page.view for page in pages_of("figure2", systems_of(6, 9), ShownTests([]))] == ["scores", "gains"]


@pytest.mark.parametrize(("models", "methods"), SIZES)
def test_panels_tell_their_models_apart_and_rows_fit(models, methods):
    pages = figure_pages(systems_of(models, methods), ShownTests(["t"], executed=["t"])).values()
    for page in pages:
        if page.figure in ("figure2", "losses", "cost"):
            assert len({system.model for system in page.systems}) <= MODELS
            assert len(set(map(treatment_of, page.systems))) <= 9
        if page.figure == "figure1":
            headings = len({system.model for system in page.systems}) if methods > 1 else 0
            assert len(page.systems) + headings <= 60


def test_parts_of_a_list_are_about_equal():
    assert list(map(len, chunks(range(13), 7))) in ([6, 7], [7, 6])
    assert chunks([], 7) == []


@pytest.mark.parametrize("figure", ["dumbbell", "forest", "languages", "lengths", "matrix"])
def test_systems_that_share_several_test_sets_take_more_pages(figure):
    systems = systems_of(9, 2)
    one, three = (pages_of(figure, systems, ShownTests(["r", "s", "t"], together)) for together in (1, 3))
    assert len(three) > len(one)
    assert sorted(system for page in three for system in page.systems) == sorted(systems)
