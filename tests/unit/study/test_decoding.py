"""The decoding that a config asks for: what its jobs depend on, and which runs there are."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import declared
from codetune.study.config import load_study
from codetune.study.decoding import Decoding, read_decoding
from paper_config import edit, paper_config

BOUNDS = {"max_new_tokens": 64, "batch_size": 8, "cache_gb": 1}


@pytest.mark.parametrize(
    "more", [{}, {"decoding": "greedy"}, {"candidates": 1}, {"decoding": "greedy", "candidates": 1}]
)
def test_greedy_decoding_declares_what_it_always_did(more):
    assert declared(read_decoding({**BOUNDS, **more})) == BOUNDS


def test_beams_and_samples_declare_all_that_they_depend_on():
    beams = read_decoding({**BOUNDS, "decoding": "beam", "candidates": 10})
    assert declared(beams) == {**BOUNDS, "kind": "beam", "candidates": 10}
    drawn = read_decoding({**BOUNDS, "decoding": "sample"})
    assert declared(drawn) == {**BOUNDS, "kind": "sample", "candidates": 1, "temperature": 1.0, "top_p": 1.0}
    assert read_decoding({**BOUNDS, "decoding": "sample", "temperature": 1}) == drawn


@pytest.mark.parametrize("key", ["temperature", "top_p"])
def test_what_is_for_draws_alone_is_refused_with_beams(key):
    with pytest.raises(StudyError, match=rf"^config: generation\.{key}: says nothing with 'decoding: beam'"):
        read_decoding({**BOUNDS, "decoding": "beam", "candidates": 2, key: 0.5})


@pytest.mark.parametrize("more", [{}, {"decoding": "beam", "candidates": 2}, {"decoding": "sample"}])
def test_null_leaves_out_what_another_config_sets_for_draws(more):
    without = read_decoding({**BOUNDS, **more})
    assert read_decoding({**BOUNDS, **more, "temperature": None, "top_p": None}) == without


def test_a_beam_search_of_one_beam_is_refused():
    with pytest.raises(StudyError, match="with one beam it is greedy"):
        read_decoding({**BOUNDS, "decoding": "beam", "candidates": 1})


def study_with(**generation):
    """The paper's study with three seeds, decoded in another way."""
    config = paper_config()
    for number, entry in enumerate(config["runs"]):
        config = edit(config, ["runs", number], entry | {"seeds": [0, 1, 2]})
    return load_study(config | {"generation": config["generation"] | generation})


def test_untuned_models_have_a_run_per_seed_only_where_tokens_are_drawn():
    greedy, drawn = study_with(), study_with(decoding="sample", candidates=5)
    beams = study_with(decoding="beam", candidates=5)
    assert beams.runs == greedy.runs
    for study, seeds in ((greedy, {0}), (drawn, {0, 1, 2})):
        assert {run.seed for run in study.runs if run.method == "base"} == seeds
        assert {run.seed for run in study.runs if run.method == "retrieval"} == {0}
        assert {run.seed for run in study.runs if run.method == "qlora"} == {0, 1, 2}


def test_only_draws_follow_the_seed_of_a_run():
    drawn = study_with(decoding="sample", candidates=5)
    assert {drawn.decoding_for(run).seed for run in drawn.training_runs} == {0, 1, 2}
    beams = study_with(decoding="beam", candidates=5)
    assert {beams.decoding_for(run) for run in beams.runs} == {beams.decoding}


def test_the_curve_is_greedy_with_the_same_bounds():
    found = study_with(decoding="sample", candidates=5).decoding.greedy
    assert found == study_with().decoding
    assert isinstance(found, Decoding)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "once, greedily"),
        ({"decoding": "beam", "candidates": 10}, "by beam search with 10 beams"),
        ({"decoding": "sample", "top_p": 0.95}, "once, drawn at temperature 1 with top-p 0.95"),
        ({"decoding": "sample", "candidates": 3, "temperature": 0.2}, "3 times, drawn at temperature 0.2 with top-p 1"),
    ],
)
def test_decoding_is_told_in_words(more, words):
    assert read_decoding({**BOUNDS, **more}).words == words
