"""The audit: each verdict in both directions, the real architectures, and what a miniature may not decide."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from codetune.papers.claims import audit
from codetune.papers.evidence import NOT_RUN, OTHER_DATA, OTHER_MODELS, OTHER_WEIGHTS, OWN_CHOICE
from codetune.papers.levels import nf4_levels, uniform_levels
from codetune.papers.steps import implied_sequences
from codetune.papers.verdicts import AGREES, DISAGREES, NOT_CHECKABLE, NOT_STATED
from paper_models import REAL_CONFIGS
from paper_study import DATASETS, NAMES, PAPER, a_record, a_study, make_evidence, paper_scores, verdicts


@pytest.mark.parametrize("name", NAMES)
def test_table_1_counts_rank_16_and_not_the_text_s_8(tmp_path, name):
    found = verdicts(a_study(tmp_path), "Trainable parameters")
    label = PAPER["models"][name]["name"]
    assert found[f"Trainable parameters of {label} at r = 8", "Table 1"] == DISAGREES
    assert found[f"Trainable parameters of {label} at r = 16", "Table 1"] == AGREES
    assert found[f"Trainable parameters of {label} at r = 16", "Table 2"] == DISAGREES


def test_the_real_configurations_say_so_too(real, tmp_path):
    study = a_study(tmp_path)
    for key, model in study.models.items():
        if key in NAMES:
            Path(model.config).write_text((real / "tokenizers" / REAL_CONFIGS[NAMES[key]]).read_text())
    table = audit(study)
    rows = table[(table["subject"] == "Trainable parameters") & table["place"].str.startswith("Table 1")]
    assert list(rows["verdict"]) == [DISAGREES, AGREES] * 5
    assert list(rows["computed"][1::2]) == ["11.27 M", "24.31 M", "20.77 M", "18.46 M", "29.93 M"]
    found = verdicts(study, "Models")
    assert found["Parameters of Qwen2.5-1.5B", "section 3.1"] == AGREES
    assert found["Parameters of Llama-3.2-1B", "Table 1"] == DISAGREES  # 1.24 B; 1.0 B without the embedding
    assert found["All fine-tuned models have fewer parameters than this", "abstract, section 3.1"] == DISAGREES
    assert found["Longest context of Qwen2.5-3B, tokens", "section 3.1"] == DISAGREES


@pytest.mark.parametrize(("sequences", "samples"), [(2500, 80 * 160), (1633, 17014)])
def test_steps_that_follow_from_choices_of_this_study_are_shown_and_decide_nothing(tmp_path, sequences, samples):
    """Our share of training samples, our length of sequences and our early stopping are behind all of them."""
    table = audit(a_study(tmp_path, sequences=sequences, samples=samples))
    rows = table[table["claim"].str.startswith(("Steps of", "Learning rate"))]
    assert len(rows) == 5 + 5 + 1
    assert set(zip(rows["verdict"], rows["because"], strict=True)) == {(NOT_CHECKABLE, OWN_CHOICE)}
    shown = dict(zip(rows["claim"], rows["computed"], strict=True))
    assert shown["Steps of Llama-3.2-1B"].startswith({2500: "750 or 800 of", 1633: "500 or 550 of"}[sequences])
    assert {12800: "; 4,000 or 4,000 of", 17014: "; 5,300 or 5,350 of"}[samples] in shown["Steps of Llama-3.2-1B"]
    assert shown["Steps of Gemma-2-2B, as trained here"] == "950"
    assert "750; 4K" in set(rows["paper"])
    assert verdicts(a_study(tmp_path))["Table 2's steps are Table 1's", "Tables 1, 2"] == DISAGREES


def test_the_audit_says_how_far_the_schedule_had_come(tmp_path):
    records = []
    for seed, steps in enumerate((74, 76)):
        record = a_record("gemma-2-2b", "qlora", 0.49, seed=seed)
        settings = replace(record.training.plan.settings, epochs=50, warmup_steps=0)
        result = replace(record.training.result, steps=steps, planned_steps=750)
        plan = replace(record.training.plan, settings=settings)
        records.append(replace(record, training=replace(record.training, plan=plan, result=result)))
    table = audit(make_evidence(tmp_path, records))
    (row,) = [row for _, row in table.iterrows() if row["claim"].startswith("Learning rate")]
    assert row["paper"] == "cosine over 50 epochs, early stopping"
    assert row["computed"] == "Gemma-2-2B 0.976 after 5.0 of 50 epochs"


def test_one_number_of_sequences_fits_table_1_only_in_whole_batches():
    whole = implied_sequences(PAPER["table1"], whole_batches=True)
    assert (whole[0], whole[-1]) == (2496, 2559)
    for row in PAPER["table1"]:
        assert {row["epochs"] * (n // row["batch_size"]) for n in (whole[0], whole[-1])} == {row["steps"]}
    assert not implied_sequences(PAPER["table1"], whole_batches=False)
    one = [PAPER["table1"][0]]
    assert implied_sequences(one, whole_batches=False) == range(2241, 2401)


@pytest.mark.parametrize(
    ("records", "expected", "shown"), [(20022, AGREES, "20,022 / 8 = 2,502"), (19900, DISAGREES, "none")]
)
def test_a_multiple_of_the_batch_size_in_both_directions(tmp_path, records, expected, shown):
    table = audit(a_study(tmp_path, published=records))
    (row,) = [row for _, row in table.iterrows() if "whole number k" in row["claim"]]
    assert row["verdict"] == expected
    assert row["computed"].startswith(shown)


def test_nf4_s_levels_are_bitsandbytes():
    from bitsandbytes.functional import get_4bit_type

    expected = get_4bit_type("nf4", device="cpu").tolist()
    assert nf4_levels() == pytest.approx(expected, abs=1e-6)


def test_equation_3_s_levels_are_uniform_and_nf4_s_are_not(tmp_path):
    levels = uniform_levels(4)
    assert (len(levels), levels[0], levels[-1]) == (16, -1, 1)
    assert levels[8] - levels[7] == pytest.approx(2 / 15)
    assert verdicts(a_study(tmp_path))["NF4 rounds as equation 3 does", "equation 3"] == DISAGREES


@pytest.mark.parametrize(("rank", "expected"), [(8, DISAGREES), (1, AGREES)])
def test_scaling_by_alpha_agrees_only_at_rank_1(tmp_path, rank, expected):
    paper = copy.deepcopy(PAPER)
    paper["claims"]["Equations"][0]["each"] = [{"alpha": 16, "rank": rank}]
    found = verdicts(a_study(tmp_path, paper=paper), "Equations")
    assert found[f"An adapter is scaled by alpha, at alpha = 16 and r = {rank}", "equation 2, section 3.5"] == expected


def test_the_paper_s_claims_against_its_own_table_2(tmp_path):
    found = verdicts(a_study(tmp_path), "Scores, within the paper")
    assert found["Gain of Llama-3.2-3B over its untuned self", "abstract"] == DISAGREES
    assert found["That gain of Llama-3.2-3B is its score, times 100", "abstract"] == AGREES
    assert found["All tuned models score above CodeBERT, Code2seq and Phi-3 Mini", "section 4.1"] == AGREES
    assert found["Larger baselines, more than one, are outperformed", "abstract"] == DISAGREES
    assert found["Best tuned model", "section 4.3"] == AGREES
    assert found["Llama-3.2-1B and Qwen2.5-1.5B, tuned, score the same", "section 4.2"] == AGREES
    (improved,) = [value for (claim, _), value in found.items() if claim.startswith("Fine-tuning improves all")]
    assert improved == DISAGREES


def test_another_table_2_turns_these_verdicts(tmp_path):
    """As if the gains were true, all models improved, and another one were best."""
    scores = {
        "llama-3.2-3b": (0.4, 0.616),
        "qwen2.5-3b": (0.4, 0.62),
        "qwen2.5-1.5b": (0.46, 0.7),
        "phi-3-mini": (0.8,),
    }
    paper = copy.deepcopy(PAPER)
    for row in paper["table2"]:
        if row.get("model") in scores:
            row["rouge_l"] = scores[row["model"]][row["method"] == "qlora"]
        if row.get("label") == "CodeBERT":
            row["params"] = "7B"
    found = verdicts(a_study(tmp_path, paper=paper), "Scores, within the paper")
    assert found["Gain of Llama-3.2-3B over its untuned self", "abstract"] == AGREES
    assert found["That gain of Llama-3.2-3B is its score, times 100", "abstract"] == DISAGREES
    assert found["All tuned models score above CodeBERT, Code2seq and Phi-3 Mini", "section 4.1"] == DISAGREES
    assert found["Larger baselines, more than one, are outperformed", "abstract"] == AGREES
    assert found["Best tuned model", "section 4.3"] == DISAGREES
    assert found["Llama-3.2-1B and Qwen2.5-1.5B, tuned, score the same", "section 4.2"] == DISAGREES
    (improved,) = [value for (claim, _), value in found.items() if claim.startswith("Fine-tuning improves all")]
    assert improved == AGREES


def test_a_local_checkpoint_decides_nothing_and_is_computed_all_the_same(tmp_path):
    table = audit(a_study(tmp_path, genuine=False))
    about_run = table[~table["files"].str.contains("papers/slm-qlora.yaml")]
    decided = about_run[~about_run["verdict"].isin([NOT_CHECKABLE, NOT_STATED])]
    assert set(decided["claim"]) <= {"Records of the data set"} | {c for c in decided["claim"] if "whole number k" in c}
    assert set(table["because"]) == {"", OTHER_MODELS}
    scores = table[table["claim"] == "ROUGE-L of Gemma-2-2B, fine-tuned"]
    assert list(scores["computed"]) == ["0.4900 (0.4759 to 0.5041)"]


@pytest.mark.parametrize("entry", [{"repo": "someone/else"}, DATASETS["codealpaca-20k"] | {"path": "records.json"}, {}])
def test_another_data_set_decides_no_score_and_no_step(tmp_path, entry):
    study = a_study(tmp_path, datasets={"codealpaca-20k": entry})
    assert set(verdicts(study, "Scores, here").values()) == {NOT_CHECKABLE}
    table = audit(study)
    steps = table[table["claim"].str.startswith(("Steps of", "One length"))]
    assert set(zip(steps["verdict"], steps["because"], strict=True)) == {(NOT_CHECKABLE, OTHER_DATA)}
    assert verdicts(study)["Records of the data set", "section 3.2"] == NOT_CHECKABLE
    assert verdicts(study)["Trainable parameters of Gemma-2-2B at r = 16", "Table 1"] == AGREES  # needs no data


def test_what_the_paper_leaves_open_is_said_with_this_study_s_choice(tmp_path):
    table = audit(a_study(tmp_path))
    rows = table[table["verdict"] == NOT_STATED]
    assert len(rows) == 8
    assert set(rows["paper"]) == {"-"}
    shown = dict(zip(rows["claim"], rows["computed"], strict=True))
    assert shown["Shares of training, validation, test"] == "0.85 / 0.05 / 0.1"
    assert shown["Number of test samples"] == "2,002"
    stated = copy.deepcopy(PAPER)
    (unstated,) = [one for rows in stated["claims"].values() for one in rows if one["id"] == "quoted-models"]
    unstated["says"] = "from their own repositories"
    again = audit(a_study(tmp_path, paper=stated))
    assert len(again[again["verdict"] == NOT_STATED]) == len(rows) - 1


@pytest.mark.parametrize(("packing", "words"), [(True, "packed"), (False, "one sample each")])
def test_whether_samples_were_packed_is_what_the_runs_say(tmp_path, packing, words):
    record = a_record("gemma-2-2b", "qlora", 0.49)
    plan = replace(record.training.plan, settings=replace(record.training.plan.settings, packing=packing))
    record = replace(record, training=replace(record.training, plan=plan))
    table = audit(make_evidence(tmp_path, [record]))
    (row,) = [row for _, row in table.iterrows() if row["claim"] == "Length and packing of training sequences"]
    assert row["computed"] == f"{words}, 1,000 tokens"


@pytest.mark.parametrize("changed", ["base", "base-chat", "qlora"])
@pytest.mark.parametrize("kind", ["none", "int8", "fp4"])
def test_scores_of_weights_that_are_not_in_nf4_decide_nothing(tmp_path, changed, kind):
    records = [
        a_record("gemma-2-2b", name, score) for name, score in (("base", 0.3), ("base-chat", 0.4), ("qlora", 0.5))
    ]
    table = audit(make_evidence(tmp_path / "as printed", records))
    decided = set(table[~table["verdict"].isin([NOT_CHECKABLE, NOT_STATED])]["claim"])
    assert any(claim.startswith("ROUGE-L of Gemma-2-2B") for claim in decided)
    held = [
        replace(one, method=replace(one.method, quantization=replace(one.method.quantization, type=kind)))
        if one.method.name == changed
        else one
        for one in records
    ]
    table = audit(make_evidence(tmp_path / "otherwise", held))
    because = dict(zip(table["claim"], table["because"], strict=True))
    left = set(table[~table["verdict"].isin([NOT_CHECKABLE, NOT_STATED])]["claim"])
    assert {because[claim] for claim in decided - left} == {OTHER_WEIGHTS}
    assert not any(claim.startswith("ROUGE-L of") for claim in left)
    assert "Trainable parameters of Gemma-2-2B at r = 16" in left
    precision = table[table["claim"].str.startswith("Precision at evaluation")]["computed"].item()
    assert precision.startswith("nf4, computed in ")


def test_a_claim_about_all_models_needs_all_of_them(tmp_path):
    scores = {key: value for key, value in paper_scores().items() if key[0] in ("llama-3.2-1b", "gemma-2-2b")}
    table = audit(a_study(tmp_path, scores))
    (row,) = [row for _, row in table.iterrows() if row["claim"].startswith("All fine-tuned models have fewer")]
    assert (row["verdict"], row["because"]) == (NOT_CHECKABLE, NOT_RUN)


def test_a_run_on_other_data_or_another_test_set_is_no_evidence(tmp_path):
    record = a_record("gemma-2-2b", "qlora", 0.49)
    elsewhere = replace(record, run=replace(record.run, data="another"))
    untested = replace(record, run=replace(record.run, seed=1), tests={"another": record.tests["codealpaca-20k"]})
    assert make_evidence(tmp_path, [elsewhere, untested]).models == {}
    (model,) = make_evidence(tmp_path, [elsewhere, untested, record]).models.values()
    assert model.runs_of("qlora") == [replace(record, folder=model.runs_of("qlora")[0].folder)]


def test_a_model_that_is_not_trained_here_has_no_rows_on_steps(tmp_path):
    table = audit(make_evidence(tmp_path, [a_record("gemma-2-2b", "base", 0.46)]))
    steps = [claim for claim in table["claim"] if claim.startswith(("Steps of", "One length", "Learning rate"))]
    assert steps == []
    assert "Length and packing of training sequences" not in set(table["claim"])
    assert "Parameters of Gemma-2-2B" in set(table["claim"])
