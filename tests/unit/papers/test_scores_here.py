"""The paper's claims about scores, held against a study's scores and comparisons."""

from dataclasses import replace

import pytest
from codetune.papers.claims import audit
from codetune.papers.evidence import NOT_RUN, OTHER_MODELS, TUNED_HERE
from codetune.papers.verdicts import (
    AGREES,
    COMPATIBLE,
    DISAGREES,
    NOT_CHECKABLE,
    NOT_COMPATIBLE,
    UNDECIDED,
)
from paper_study import NAMES, a_record, a_study, make_evidence, paper_scores, verdicts

PHI = "Tuned models above Phi-3 Mini 4K, untuned, template 'paper'"
PHI_CHAT = "Tuned models above Phi-3 Mini 4K, untuned, template 'chat'"
BEST = "Best tuned model: Qwen2.5-3B against the others"
IMPROVES = "Fine-tuning improves all models"
ALL = (IMPROVES, BEST, PHI)


def rows_here(evidence):
    """The row of each claim about scores, by the claim."""
    table = audit(evidence)
    return {row["claim"]: row for _, row in table[table["subject"] == "Scores, here"].iterrows()}


def found(evidence):
    return {claim: row["verdict"] for claim, row in rows_here(evidence).items()}


def study_of(folder, changes=(), chat=(), **more):
    """A study with the paper's scores but for some, and with untuned scores in chat templates."""
    scores = paper_scores() | dict(changes) | {(model, "base-chat"): score for model, score in dict(chat).items()}
    return a_study(folder, scores, **more)


def test_scores_like_the_paper_s_are_compatible_with_its_table_and_not_with_its_abstract(tmp_path):
    here = found(a_study(tmp_path))
    assert {verdict for claim, verdict in here.items() if claim.startswith("ROUGE-L of")} == {COMPATIBLE}
    assert len([claim for claim in here if claim.startswith("ROUGE-L of")]) == 11
    for name in ("Llama-3.2-3B", "Qwen2.5-3B"):
        assert here[f"Gain of {name} over itself, untuned, template 'paper'"] == NOT_COMPATIBLE
    assert here[IMPROVES] == NOT_COMPATIBLE  # Qwen2.5-1.5B is worse
    assert here[BEST] == UNDECIDED  # 0.55 and 0.54 are a hundredth apart, and so is the end of the interval
    assert here[PHI] == COMPATIBLE
    assert not {AGREES, DISAGREES} & set(here.values())


def test_other_scores_turn_these_verdicts(tmp_path):
    scores = {key: 0.2 if key[1] == "base" else 0.31 for key in paper_scores()}
    scores |= {("llama-3.2-1b", "qlora"): 0.4, ("phi-3-mini", "base"): 0.35}
    here = found(a_study(tmp_path, scores, half=0.002))
    assert {verdict for claim, verdict in here.items() if claim.startswith("ROUGE-L of")} == {NOT_COMPATIBLE}
    assert here["Gain of Qwen2.5-3B over itself, untuned, template 'paper'"] == COMPATIBLE  # 55 %
    assert here[IMPROVES] == COMPATIBLE
    assert here[BEST] == NOT_COMPATIBLE
    assert here[PHI] == NOT_COMPATIBLE


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.4691, COMPATIBLE),  # 0.455 and the root of 2 times 0.01 are 0.46914
        (0.4692, NOT_COMPATIBLE),
        (0.4309, COMPATIBLE),
        (0.4308, NOT_COMPATIBLE),
        (0.45, COMPATIBLE),
        (0.4549999, COMPATIBLE),
    ],
)
def test_the_borders_of_a_score(tmp_path, score, expected):
    here = rows_here(study_of(tmp_path, {("llama-3.2-1b", "base"): score}))
    row = here["ROUGE-L of Llama-3.2-1B, untuned, template 'paper'"]
    assert row["verdict"] == expected
    assert row["computed"].startswith(f"{score:.4f} (")


def test_an_interval_that_says_nothing_is_undecided(tmp_path):
    """0.0353 to each side is 0.0998 widened, within the 0.10 that the paper's scores are apart; 0.0354 is not."""
    assert set(_scores(found(a_study(tmp_path / "a", half=0.0353)))) == {COMPATIBLE}
    assert set(_scores(found(a_study(tmp_path / "b", half=0.0354)))) == {UNDECIDED}
    few = [a_record(model, method, score, samples=99) for (model, method), score in paper_scores().items()]
    assert set(found(make_evidence(tmp_path / "c", few, half=0.001)).values()) == {UNDECIDED}


def _scores(here):
    return [verdict for claim, verdict in here.items() if claim.startswith("ROUGE-L of")]


@pytest.mark.parametrize(
    ("tuned", "expected"),
    [(0.4901, COMPATIBLE), (0.4899, UNDECIDED), (0.4701, UNDECIDED), (0.4699, NOT_COMPATIBLE)],
)
def test_all_models_improve_only_if_every_gain_is_decided(tmp_path, tuned, expected):
    """Qwen2.5-1.5B, untuned 0.48, is the one that does not improve in the paper."""
    study = study_of(tmp_path, {("qwen2.5-1.5b", "qlora"): tuned, ("llama-3.2-1b", "qlora"): 0.47})
    row = rows_here(study)[IMPROVES]
    assert row["verdict"] == expected
    shown = {COMPATIBLE: "better: 5 of 5", UNDECIDED: "better: 4 of 5; undecided: Qwen2.5-1.5B"}
    assert row["computed"] == shown.get(expected, "better: 4 of 5; worse: Qwen2.5-1.5B")


def test_the_improvement_is_over_the_paper_s_untuned_row_even_if_another_is_better(tmp_path):
    """In its chat template a model may be better untuned than tuned; the claim is about the paper's template."""
    improved = {("qwen2.5-1.5b", "qlora"): 0.5, ("llama-3.2-1b", "qlora"): 0.48}
    study = study_of(tmp_path, improved, chat=dict.fromkeys(NAMES, 0.6))
    tuned = study.models["gemma-2-2b"].system_of("qlora")
    assert study.gain_of(tuned, "base").family == "other gain"
    row = rows_here(study)[IMPROVES]
    assert row["verdict"] == COMPATIBLE
    assert "not corrected" in row["how"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [(0.53, COMPATIBLE), (0.55, UNDECIDED), (0.5599, UNDECIDED), (0.5701, NOT_COMPATIBLE)],
)
def test_the_best_model_is_above_every_other_one(tmp_path, other, expected):
    row = rows_here(study_of(tmp_path, {("llama-3.2-3b", "qlora"): other}))[BEST]
    assert row["verdict"] == expected
    assert row["computed"].startswith("better: 4 of 4" if expected == COMPATIBLE else "better: 3 of 4")


@pytest.mark.parametrize(("phi", "expected"), [(0.44, COMPATIBLE), (0.455, UNDECIDED), (0.4701, NOT_COMPATIBLE)])
def test_the_larger_baseline_is_below_all_in_each_of_its_templates(tmp_path, phi, expected):
    here = rows_here(study_of(tmp_path, chat={"phi-3-mini": phi}))
    assert here[PHI]["verdict"] == COMPATIBLE
    assert here[PHI_CHAT]["verdict"] == expected
    assert "ROUGE-L of Phi-3 Mini 4K, untuned, template 'chat'" in here
    assert here[PHI]["place"].startswith("section 4.1")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["llama-3.2-1b", "gemma-2-2b"], NOT_CHECKABLE),  # both improve, and the others might not
        (["qwen2.5-1.5b"], NOT_COMPATIBLE),  # one that does not is enough
    ],
)
def test_claims_about_all_models_need_all_of_them_unless_one_fails(tmp_path, names, expected):
    scores = {key: score for key, score in paper_scores().items() if key[0] in names}
    scores |= {key: 0.48 for key in scores if key == ("llama-3.2-1b", "qlora")}  # in the paper within the interval
    here = rows_here(a_study(tmp_path, scores))
    assert here[IMPROVES]["verdict"] == expected
    assert here[IMPROVES]["because"] == (NOT_RUN if expected == NOT_CHECKABLE else "")
    assert BEST not in here  # Qwen2.5-3B was not run
    assert PHI not in here
    assert set(_scores({claim: row["verdict"] for claim, row in here.items()})) <= {COMPATIBLE, NOT_COMPATIBLE}


@pytest.mark.parametrize(("tuned", "expected"), [(0.6, COMPATIBLE), (0.3, NOT_COMPATIBLE)])
def test_gains_over_chat_templates_have_rows_of_their_own(tmp_path, tuned, expected):
    """Which the abstract's untuned models may mean as well; with one seed they are about one adapter."""
    chat = {model: 0.4 for model, method in paper_scores() if method == "qlora"}
    here = rows_here(study_of(tmp_path, {(model, "qlora"): tuned for model in chat}, chat))
    row = here[f"{IMPROVES}, over 'base-chat'"]
    assert row["verdict"] == expected
    assert row["how"].startswith("gain over 'base-chat'")
    assert "of that one training" in row["how"]
    gain = here["Gain of Qwen2.5-3B over itself, untuned, template 'chat'"]
    assert gain["computed"].startswith(f"{100 * (tuned / 0.4 - 1):.1f} ")
    assert "1 seed, so of this one training" in gain["how"]


def test_a_gain_over_what_is_no_baseline_is_the_pair_s(tmp_path):
    evidence = study_of(tmp_path, {("qwen2.5-3b", "base"): 0.44})
    compared = evidence.comparisons.comparisons
    compared[:] = [one if one.family == "pair" else replace(one.reverse, family="pair") for one in compared]
    here = rows_here(evidence)
    assert here["Gain of Qwen2.5-3B over itself, untuned, template 'paper'"]["computed"].startswith("25.0 (")
    assert here[IMPROVES]["computed"].startswith("better: 3 of 5")


def test_an_untuned_model_that_is_tuned_here_is_not_compared_with_the_others(tmp_path):
    evidence = study_of(tmp_path, {("phi-3-mini", "qlora"): 0.5})
    systems = {model: evidence.models[model].system_of("qlora") for model in evidence.models}
    evidence.comparisons.comparisons[:] = [
        one
        for one in evidence.comparisons.comparisons
        if not (one.family == "pair" and one.over.model == "phi-3-mini" and one.system in systems.values())
    ]
    row = rows_here(evidence)[PHI]
    assert (row["verdict"], row["because"]) == (NOT_CHECKABLE, TUNED_HERE)


def test_the_best_model_alone_is_compared_with_none(tmp_path):
    scores = {key: score for key, score in paper_scores().items() if key[0] in ("qwen2.5-3b", "phi-3-mini")}
    here = rows_here(a_study(tmp_path, scores))
    assert BEST not in here
    assert (here[PHI]["verdict"], here[PHI]["because"]) == (NOT_CHECKABLE, NOT_RUN)


def test_only_untuned_models_have_scores_and_no_gains(tmp_path):
    scores = {key: score for key, score in paper_scores().items() if key[1] == "base"}
    here = found(a_study(tmp_path, scores))
    assert len(here) == 6
    assert set(here.values()) == {COMPATIBLE}


def test_only_tuned_models_have_scores_and_ranks(tmp_path):
    scores = {key: score for key, score in paper_scores().items() if key[1] == "qlora"}
    here = found(a_study(tmp_path, scores))
    assert len(here) == 6
    assert here[BEST] == UNDECIDED


def test_without_comparisons_nothing_is_decided_and_without_any_file_neither(tmp_path):
    here = found(a_study(tmp_path / "a", comparisons=[]))
    assert set(_scores(here)) == {COMPATIBLE}
    others = {claim: verdict for claim, verdict in here.items() if not claim.startswith("ROUGE-L of")}
    assert set(others.values()) == {UNDECIDED}
    assert len(others) == 5
    rows = rows_here(replace(a_study(tmp_path / "b"), tests={}))
    assert {row["verdict"] for row in rows.values()} == {UNDECIDED}
    assert {row["computed"] for claim, row in rows.items() if claim.startswith(("ROUGE-L", "Gain"))} == {"-"}


def test_a_score_over_several_seeds_names_all_its_files(tmp_path):
    records = [a_record("gemma-2-2b", "qlora", score, seed=seed) for seed, score in enumerate((0.51, 0.48, 0.48))]
    row = rows_here(make_evidence(tmp_path, records))["ROUGE-L of Gemma-2-2B, fine-tuned"]
    assert row["computed"].startswith("0.4900 (")
    assert row["how"].startswith("mean over 2,003 test samples and 3 seeds")
    assert row["verdict"] == COMPATIBLE
    runs, compared = row["files"].split(", ")
    assert runs == f"{tmp_path}/runs/codealpaca-20k/gemma-2-2b/qlora/*/record.json"
    assert compared == f"{tmp_path}/comparisons/codealpaca-20k.json"


def test_three_seeds_that_lie_apart_are_compatible_where_one_of_them_is(tmp_path):
    """The paper's one seed may be any of them, and the interval of their mean alone would say no."""
    apart = [a_record("gemma-2-2b", "qlora", score, seed=seed) for seed, score in enumerate((0.49, 0.53, 0.57))]
    row = rows_here(make_evidence(tmp_path, apart))["ROUGE-L of Gemma-2-2B, fine-tuned"]
    assert row["verdict"] in (COMPATIBLE, UNDECIDED)
    alone = rows_here(make_evidence(tmp_path, [a_record("gemma-2-2b", "qlora", 0.53)]))
    assert alone["ROUGE-L of Gemma-2-2B, fine-tuned"]["verdict"] == NOT_COMPATIBLE


def test_a_score_that_no_sample_has_is_a_dash(tmp_path):
    study = study_of(tmp_path, {("gemma-2-2b", "qlora"): None, ("qwen2.5-3b", "base"): 0.0})
    here = rows_here(study)
    row = here["ROUGE-L of Gemma-2-2B, fine-tuned"]
    assert (row["computed"], row["verdict"]) == ("-", UNDECIDED)
    gain = here["Gain of Qwen2.5-3B over itself, untuned, template 'paper'"]
    assert (gain["computed"], gain["verdict"]) == ("-", UNDECIDED)
    assert "nan" not in " ".join(row["computed"] for row in here.values())


def test_a_miniature_among_the_compared_decides_nothing(tmp_path):
    records = [
        a_record(model, method, score, genuine=model != "gemma-2-2b")
        for (model, method), score in paper_scores().items()
    ]
    here = rows_here(make_evidence(tmp_path, records))
    assert {here[claim]["because"] for claim in ALL} == {OTHER_MODELS}
    assert here["ROUGE-L of Gemma-2-2B, fine-tuned"]["because"] == OTHER_MODELS
    assert here["ROUGE-L of Qwen2.5-3B, fine-tuned"]["verdict"] == COMPATIBLE


def test_a_record_without_a_template_says_nothing_of_it(tmp_path):
    records = [
        replace(a_record(model, method, score), template=None) for (model, method), score in paper_scores().items()
    ]
    here = found(make_evidence(tmp_path, records))
    assert "ROUGE-L of Gemma-2-2B, untuned" in here
    assert "Tuned models above Phi-3 Mini 4K, untuned" in here


def test_no_word_of_exactness_is_said_of_a_score(tmp_path):
    words = set(verdicts(a_study(tmp_path), "Scores, here").values())
    assert words <= {COMPATIBLE, NOT_COMPATIBLE, UNDECIDED}
    assert set(verdicts(a_study(tmp_path), "Scores, within the paper").values()) == {AGREES, DISAGREES}
