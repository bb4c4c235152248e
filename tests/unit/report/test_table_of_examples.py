"""Methods with examples in their prompts: what these gain, and, in Table 2, how many they are by which choice."""

from dataclasses import replace

import pytest
from codetune.report.finding import Material
from codetune.report.found_gains import find_gains
from codetune.report.rows import evaluated_systems
from codetune.report.table2 import table2, write_table2
from codetune.study.declared import read_paper
from codetune.study.examples import CountFacts, CountTrial
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import QUANTIZATION, fake_method, fake_record, few_shot
from markdown_reader import rows_of

PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")


def choice_of(count, counts=(1, 3, 5)):
    trials = [CountTrial(f"few@{one}", one, 0.5, "0" * 64) for one in counts]
    return CountFacts("rouge_l", "a signature", 1000, trials, count)


def rows_and_note(folder, records):
    systems = evaluated_systems(records, [fake_comparisons(records)])
    paths = {form: folder / f"t.{form}" for form in ("csv", "md", "tex")}
    write_table2(table2(systems, "rouge_l", PAPER), systems, "rouge_l", paths)
    return rows_of(paths["md"]), paths["md"].read_text()


def scored(method, score, model="one", **changes):
    return fake_record(model, method, scores={"rouge_l": score}, **changes)


def test_examples_gain_over_the_untuned_model_without_and_have_a_verdict(tmp_path):
    rows, note = rows_and_note(tmp_path, [scored("base", 0.3), scored(few_shot("similar"), 0.5)])
    row = next(row for row in rows if row["Method"] == "few")
    assert (row["Gain"], row["Verdict"]) == ("+0.20", "better")
    assert "Gain: over the untuned model without examples (base)." in note
    assert "Gain of examples over base: +0.20." in note
    assert "with one seed" not in note
    assert "tuning" not in note


def test_gains_of_tuning_and_of_examples_are_told_apart(tmp_path):
    records = [scored("base", 0.3), scored(few_shot(), 0.5), scored("qlora", 0.6)]
    _, note = rows_and_note(tmp_path, records)
    assert "Gain over base: +0.30." in note
    assert "Gain of examples over base: +0.20." in note
    assert "with one seed, it is about that one training or choice of examples." in note


@pytest.mark.parametrize(("tuned", "cause"), [(False, "examples"), (True, "tuning or examples")])
def test_a_baseline_held_otherwise_leaves_a_gain_of_more_than_examples(tmp_path, tuned, cause):
    held = replace(QUANTIZATION, type="int8")
    records = [scored("base", 0.3), scored(few_shot(quantization=held), 0.5)]
    records += [scored(fake_method("lora", quantization=held), 0.6)] if tuned else []
    _, note = rows_and_note(tmp_path, records)
    assert f"held otherwise, so that a gain is not of {cause} alone: base (few)" in note


def test_a_fixed_number_is_named_without_a_choice(tmp_path):
    _, note = rows_and_note(tmp_path, [scored("base", 0.3), scored(few_shot(), 0.5)])
    assert "Training samples as examples in the prompts: few (3, at random, by seed)." in note
    assert "validation part" not in note


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"one": [3]}, "few (3 of 1, 3, 5, at random, by seed)"),
        ({"one": [3, 3], "two": [3, 3]}, "few (3 of 1, 3, 5, at random, by seed)"),
        ({"one": [3, 5], "two": [1, 1]}, "few (3 / 5 on One and 1 / 1 on Two of 1, 3, 5, at random, by seed)"),
    ],
)
def test_a_chosen_number_is_told_with_those_it_was_chosen_from_by_what_and_on_what(tmp_path, chosen, said):
    method = few_shot(counts=(1, 3, 5))
    records = [scored("base", 0.3, model) for model in chosen]
    records += [
        scored(method, 0.5, model, seed=seed, count=choice_of(count))
        for model, counts in chosen.items()
        for seed, count in enumerate(counts)
    ]
    _, note = rows_and_note(tmp_path, records)
    assert f"Training samples as examples in the prompts: {said}." in note
    assert (
        "Of several numbers, a run has the one with the best ROUGE-L on 1,000 samples of the validation part, the "
        "smallest of equals; no test sample took part in the choice."
    ) in note


EFFECTS = [
    ([0.5], "raised ROUGE-L of One by 0.20 (95 % interval +0.10 to +0.30)."),
    ([0.5, 0.6], "raised ROUGE-L for 2 of 2 models, by 0.20 to 0.30."),
    ([0.5, 0.1], "raised ROUGE-L for 1 of 2 models, by 0.20. It lowered it for 1 (Two), by 0.20."),
]


@pytest.mark.parametrize(("scores", "effect"), EFFECTS)
def test_what_examples_gain_is_said_of_each_choice_beside_what_tuning_gains(scores, effect):
    records = [scored("base", 0.3, model=name) for name in ("one", "two")[: len(scores)]]
    records += [scored(few_shot(), score, model=name) for name, score in zip(("one", "two"), scores, strict=False)]
    records += [scored("qlora", 0.6, model="one")]
    comparisons = fake_comparisons(records)
    material = Material(evaluated_systems(records, [comparisons]), "rouge_l", {comparisons.test: "comparisons.json"})
    found = {one.name: one.text for one in find_gains(material)}
    assert found[f"examples.{comparisons.test}.few"] == f"Showing the examples of few {effect}"
    assert found[f"gain.{comparisons.test}"].startswith("Tuning by qlora raised ROUGE-L of One by 0.30")
