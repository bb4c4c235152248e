"""The conclusions of a study as sentences: right whatever a study has, and every number from its records."""

import random
import re
from dataclasses import replace

import pytest
from codetune.base.machine import Environment
from codetune.evaluation.answered import Answer
from codetune.evaluation.comparisons import Comparison
from codetune.report.finding import Finding, Material, Numbers, listed
from codetune.report.findings import conclude, read_material
from codetune.report.rows import evaluated_systems
from codetune.study.facts import ScoredPart
from codetune.study.runs import System
from fake_comparisons import fake_comparisons, write_fake_comparisons
from fake_records import ENVIRONMENT, fake_method, fake_model, fake_record, with_test, write_fake

ALPACA, OTHER = "alpaca", "humaneval"
COUNTS = {"agrees": 20, "compatible": 1, "disagrees": 1, "undecided": 4, "not stated": 9, "not checkable here": 7}


def both(written, code=None):
    """Scores as written and, if there are any, on code."""
    return {"rouge_l": written} | ({} if code is None else {"rouge_l_on_code": code})


def method(name="qlora", baselines=("base", "base-chat")):
    return fake_method(name, baselines=list(baselines))


def a_model(name, tuned, base=(0.2, 0.3), chat=(0.3, 0.3), seeds=1, methods=("qlora",), test=ALPACA):
    """Records of a model: untuned in two templates, and tuned; the first method has these scores, others less."""
    model = fake_model(name)
    found = [fake_record(model, "base", test=test, scores=both(*base))]
    found.append(fake_record(model, "base-chat", test=test, scores=both(*chat)))
    for place, one in enumerate(methods):
        scores = both(*(score - 0.15 * place if score else score for score in tuned))
        found += [fake_record(model, method(one), test=test, scores=scores, seed=seed) for seed in range(seeds)]
    return found


def retrieved(score):
    model = fake_model("none", label="Most similar training sample")
    return fake_record(model, "retrieval", scores=both(score, score))


def found_in(records, tests=(ALPACA,), metric="rouge_l", audit=None, **changes):
    """The findings by name."""
    evaluated = evaluated_systems(records, [fake_comparisons(records, test, **changes) for test in tests])
    paths = {test: f"results/comparisons/{test}.json" for test in tests}
    found = conclude(Material(evaluated, metric, paths, audit, "results/tables/audit.csv"))
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def said(records, name, **changes):
    return found_in(records, **changes)[name].text


ONE = [
    (0.6, "Tuning by qlora raised ROUGE-L of Mine by 0.30 (95 % interval +0.20 to +0.40)."),
    (0.1, "Tuning by qlora lowered ROUGE-L of Mine by 0.20 (95 % interval -0.30 to -0.10)."),
    (
        0.32,
        "Whether tuning by qlora raised ROUGE-L of Mine is undecided: the gain is +0.02 (95 % interval -0.08 to "
        "+0.12).",
    ),
    (None, "ROUGE-L has no value for a gain of Mine."),
]


@pytest.mark.parametrize(("score", "text"), ONE)
def test_one_model(score, text):
    assert said(a_model("mine", (score,), base=(0.2,), chat=(0.3,)), "gain.alpaca") == text


def test_an_interval_beside_an_undecided_verdict_says_that_it_is_not_corrected():
    records = a_model("mine", (0.42,), base=(0.2,), chat=(0.3,))
    found = fake_comparisons(records)
    changed = [replace(one, p_holm=0.08, p=0.04) if one.family == "gain" else one for one in found.comparisons]
    assert said(records, "gain.alpaca", comparisons=changed) == (
        "Whether tuning by qlora raised ROUGE-L of Mine is undecided: the gain is +0.12 (95 % interval +0.02 to +0.22, "
        "not corrected for the number of comparisons)."
    )


def several(*scores, **more):
    return [record for place, score in enumerate(scores) for record in a_model(f"m{'abcdef'[place]}", score, **more)]


def answered(*gains, mean=None, interval=(0.05, 0.15), p=0.001, data="none", model=None):
    """What is said to a question about models with these gains; those under a tenth are undecided."""
    names = "abcdef"
    compared = [
        Comparison(
            *(
                "pair",
                System(ALPACA, f"m{names[place]}", "lora"),
                System(data, model or f"m{names[place]}", "random-1"),
            ),
            *("em_at_10", gain, [gain - 0.1, gain + 0.1], *((0.5, 0.5) if abs(gain) < 0.1 else (0.001, 0.003))),
        )
        for place, gain in enumerate(gains)
    ]
    mean = sum(gains) / len(gains) if mean is None else mean
    methods = ["random-1", "random-3"]
    one = Answer(
        *("icl", "Is tuning better than examples?", ALPACA, "em_at_10", "EM@10", 1.0),
        *(compared, methods, mean, list(interval), p),
    )
    records = several(*((0.7,) for _ in gains), base=(0.2,), chat=(0.3,))
    material = Material(evaluated_systems(records, [fake_comparisons(records)]), "rouge_l", answers=[one])
    return conclude(material)[0]


ANSWERS = [
    (
        answered(0.2, 0.15, 0.02),
        "Compared with the better of random-1 and random-3, lora raises EM@10 on alpaca: the mean gain over 3 systems "
        "is +0.12 (95 % interval +0.05 to +0.15). Of these systems, 2 are better, for 1 (Mc) it is undecided.",
    ),
    (
        answered(0.04, -0.01, interval=(-0.03, 0.05), p=0.4),
        "Whether lora is better than the better of random-1 and random-3 by EM@10 on alpaca is undecided: the mean "
        "gain over 2 systems is +0.01 (95 % interval -0.03 to +0.05). Of these systems, for 2 it is undecided.",
    ),
    (
        answered(-0.2, interval=(-0.3, -0.1)),
        "Compared with the better of random-1 and random-3, lora lowers EM@10 on alpaca: the gain is -0.20 (95 % "
        "interval -0.30 to -0.10).",
    ),
    (
        answered(0.2, 0.3, data="both", model="mb"),
        "Compared with the better of random-1 and random-3 trained on both of Mb, lora trained on alpaca raises EM@10 "
        "on alpaca: the mean gain over 2 systems is +0.25 (95 % interval +0.05 to +0.15). Of these systems, 2 are "
        "better.",
    ),
]


@pytest.mark.parametrize(("found", "text"), ANSWERS, ids=["raises", "undecided", "lowers", "other data and model"])
def test_a_question_is_asked_and_answered(found, text):
    assert found.name == "question.icl.alpaca"
    assert found.text == f"Is tuning better than examples? {text}"
    assert found.numbers["question.icl.alpaca.gain"].text in text


SEVERAL = [
    ("all better", [0.7, 0.6, 0.65], "Tuning by qlora raised ROUGE-L for 3 of 3 models, by 0.30 to 0.40."),
    (
        "some of each",
        [0.7, 0.1, 0.32, 0.6],
        "Tuning by qlora raised ROUGE-L for 2 of 4 models, by 0.30 to 0.40. It lowered it for 1 (Mb), by 0.20. For 1 "
        "(Mc) this is undecided: the gain is +0.02.",
    ),
    (
        "none better",
        [0.1, 0.32, 0.31],
        "Tuning by qlora raised ROUGE-L for none of 3 models. It lowered it for 1 (Ma), by 0.20. For 2 (Mb, Mc) "
        "this is "
        "undecided: gains are +0.01 to +0.02.",
    ),
    (
        "all worse",
        [0.1, 0.15],
        "Tuning by qlora raised ROUGE-L for none of 2 models. It lowered it for 2, by 0.15 to 0.20.",
    ),
    (
        "all undecided",
        [0.32, 0.28],
        "Whether tuning by qlora raised ROUGE-L is undecided for all 2 models: gains are -0.02 to +0.02.",
    ),
    ("nothing measured", [None, None], "ROUGE-L has no value for any gain of the 2 models."),
    (
        "one not measured",
        [0.6, 0.7, None],
        "Tuning by qlora raised ROUGE-L for 2 of 3 models, by 0.30 to 0.40. For 1 (Mc) no gain has a value.",
    ),
]


@pytest.mark.parametrize(("scores", "text"), [case[1:] for case in SEVERAL], ids=[case[0] for case in SEVERAL])
def test_several_models(scores, text):
    records = several(*((score,) for score in scores), base=(0.2,), chat=(0.3,))
    assert said(records, "gain.alpaca") == text


def test_several_seeds_are_one_system():
    records = several((0.7,), (0.6,), base=(0.2,), chat=(0.3,), seeds=3)
    found = found_in(records)
    assert found["gain.alpaca"].text == "Tuning by qlora raised ROUGE-L for 2 of 2 models, by 0.30 to 0.40."
    assert "limits.seeds" not in found
    assert found["cost"].text.startswith("6 trainings took 6.0 GPU hours")


def test_the_code_alone_is_a_sentence_of_its_own():
    found = found_in(several((0.7, 0.32), (0.6, 0.5)))
    assert found["code.alpaca"].text == (
        "On the code alone, tuning raised ROUGE-L for 1 of 2 models, by 0.20. For 1 (Ma) this is undecided: the "
        "gain is "
        "+0.02."
    )
    assert not any(name.startswith("code") for name in found_in(several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))))


def test_what_is_undecided_on_code_begins_alike():
    assert said(several((0.7, 0.32), (0.6, 0.35)), "code.alpaca") == (
        "On the code alone, whether tuning raised ROUGE-L is undecided for all 2 models: gains are +0.02 to +0.05."
    )
    assert said(a_model("mine", (0.7, 0.32)), "code.alpaca").startswith("On the code alone, whether tuning raised")


def test_a_method_of_which_nothing_is_decided_says_that_first():
    found = found_in(several((0.5, 0.5), (0.48, 0.5), methods=("qlora", "dora")))
    assert found["gain.alpaca.dora"].text == "By dora: undecided for all 2 models, at +0.03 to +0.05."


def test_many_methods_are_said_one_by_one():
    found = found_in(several((0.75, 0.75), (0.65, 0.6), methods=("qlora", "dora", "ia3")))
    gains = {name: one.text for name, one in found.items() if name.startswith("gain")}
    assert gains == {
        "gain.alpaca": "Tuning raised ROUGE-L for 5 of 6 tuned systems, by 0.15 to 0.45. For 1 (Mb (ia3)) this is "
        "undecided: the gain is +0.05.",
        "gain.alpaca.qlora": "By qlora: raised for 2 of 2 models, by 0.35 to 0.45.",
        "gain.alpaca.dora": "By dora: raised for 2 of 2 models, by 0.20 to 0.30.",
        "gain.alpaca.ia3": "By ia3: raised for 1 of 2 models, by 0.15; undecided for 1 (Mb), at +0.05.",
    }
    assert all(
        one.is_detail_of(found["gain.alpaca"])
        for name, one in found.items()
        if name.count(".") == 2 and name[:4] == "gain"
    )
    assert found["pairs.alpaca.methods"].text == (
        "Of 6 pairs of methods on one model, 6 are decided; most often better is qlora, in 4 of its 4 pairs."
    )
    assert found["pairs.alpaca.models"].text == "Of 3 pairs of models tuned alike, none is decided."


def test_numbers_keep_their_names_when_a_study_grows():
    few, more = (
        found_in(several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))),
        found_in(several((0.7,), (0.6,), base=(0.2,), chat=(0.3,), methods=("qlora", "dora"))),
    )
    name = "gain.alpaca.qlora.better"
    assert few["gain.alpaca"].numbers[name] == more["gain.alpaca.qlora"].numbers[name]


def test_several_test_sets_are_named():
    records = [with_test(record, OTHER, both(0.5)) for record in several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))]
    found = found_in(records, (ALPACA, OTHER))
    assert found["gain.alpaca"].text == "On alpaca: tuning by qlora raised ROUGE-L for 2 of 2 models, by 0.30 to 0.40."
    assert found["gain.humaneval"].text == (
        "On humaneval: whether tuning by qlora raised ROUGE-L is undecided for all 2 models: gains are 0.00."
    )
    assert found["cost"].text == "2 trainings took 2.0 GPU hours and decoding took 12 GPU minutes."


def test_a_system_without_one_of_the_test_sets_is_counted():
    records = several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))
    records = [with_test(record, OTHER, both(0.5)) for record in records[:3]] + records[3:]
    text = said(records, "limits.humaneval.absent", tests=(ALPACA, OTHER))
    assert text == "1 of 2 tuned systems was not evaluated on humaneval."


def test_training_data_are_named_where_they_are_not_the_test_s():
    records = a_model("mine", (0.6,), base=(0.2,), chat=(0.3,))
    records += [fake_record(fake_model("mine"), method(), data="other", scores=both(0.7))]
    found = found_in(records)
    assert found["gain.alpaca.other.qlora"].text == "By qlora trained on other: raised for 1 of 1 model, by 0.40."
    assert found["gain.alpaca.qlora"].text == "By qlora trained on alpaca: raised for 1 of 1 model, by 0.30."
    assert found["best.alpaca"].text.startswith("Mine (other) has the highest score")


def test_a_study_that_tunes_nothing_says_so():
    found = found_in([*a_model("mine", (0.6,), base=(0.2, 0.2), chat=(0.3, 0.3))[:2], retrieved(0.25)])
    assert found["gain"].text == "No model was tuned in this study, so nothing is said of what tuning gains."
    assert found["retrieval.alpaca.retrieval"].text == (
        "Without any model, the output of the most similar training sample scores 0.250 (95 % interval 0.150 to 0.350)."
    )
    assert found["cost"].text == "Decoding took 2 GPU minutes."
    assert found["cut_off.alpaca"].text == (
        "The limit on new tokens or the context cut off 10 % of the untuned models' predictions."
    )
    assert [name for name in found if name.startswith("limits")] == ["limits.alpaca.samples", "limits.metric"]


def test_a_tuned_model_without_a_baseline_has_no_gain():
    found = found_in([fake_record("mine", "qlora", scores=both(0.6))])
    assert found["gain"].text == "No baseline was evaluated, so nothing is said of what tuning gains."
    assert (
        found["limits.baselines"].text == "Not run for all models, so that no gain over them is known: base (of qlora)."
    )


FORMAT = [
    (
        (0.5, 0.4),
        (0.1, 0.2),
        "the gain is +0.40 as written and +0.20 on the code alone: 50 % of it is stopping and format.",
    ),
    (
        (0.5, 0.6),
        (0.1, 0.2),
        "the gain is +0.40 as written and +0.40 on the code alone: none of it is stopping and format.",
    ),
    (
        (0.5, 0.1),
        (0.1, 0.2),
        "the gain is +0.40 as written and -0.10 on the code alone: all of it is stopping and format.",
    ),
    ((0.1, 0.6), (0.2, 0.2), "the gain is -0.10 as written and +0.40 on the code alone."),
]


@pytest.mark.parametrize(("tuned", "base", "text"), FORMAT)
def test_how_much_of_the_gain_is_format(tuned, base, text):
    assert said(a_model("mine", tuned, base), "format.alpaca.base") == f"Over base, {text}"


def test_format_is_about_the_mean_of_several_models():
    text = said(several((0.6, 0.4), (0.8, 0.6), base=(0.2, 0.2)), "format.alpaca.base")
    assert text.startswith("Over base, the mean gain is +0.50 as written and +0.30 on the code alone: 40 % of it")


def test_which_baseline_is_the_better_one():
    chat, paper = (0.5, 0.5), (0.1, 0.1)
    assert said(several((0.7, 0.7), (0.6, 0.6)), "baseline.alpaca") == (
        "The better baseline is base-chat for all 2 models; gains are measured over it."
    )
    mixed = [*several((0.7, 0.7), (0.6, 0.6), chat=chat), *a_model("mz", (0.7, 0.7), chat=paper)]
    assert said(mixed, "baseline.alpaca") == (
        "The better baseline is base-chat for 2 of 3 models and base for 1; gains are measured over the better one."
    )
    assert said(a_model("mine", (0.7, 0.7), chat=chat), "baseline.alpaca") == (
        "The better baseline is base-chat for Mine; gains are measured over it."
    )


RETRIEVED = [
    (0.1, "0.100 (95 % interval 0.000 to 0.200): all 2 tuned models are better."),
    (0.45, "0.450 (95 % interval 0.350 to 0.550): of 2 tuned models, 1 is better, for 1 (Mb) it is undecided."),
    (0.9, "0.900 (95 % interval 0.800 to 1.000): all 2 tuned models are worse. No model scores higher."),
]


@pytest.mark.parametrize(("score", "text"), RETRIEVED)
def test_the_most_similar_training_sample_beside_tuned_models(score, text):
    records = [*several((0.7, 0.7), (0.5, 0.5)), retrieved(score)]
    assert said(records, "retrieval.alpaca.retrieval") == (
        f"Without any model, the output of the most similar training sample scores {text}"
    )


def test_one_tuned_model_beside_the_most_similar_sample_and_a_model_that_is_not_tuned():
    records = [*a_model("mine", (0.7, 0.7)), retrieved(0.65)]
    records += [
        fake_record("phi", "base", scores=both(0.4, 0.4)),
        fake_record("phi", "base-chat", scores=both(0.5, 0.4)),
    ]
    found = found_in(records)
    assert found["retrieval.alpaca.retrieval"].text.endswith("): whether Mine is better is undecided.")
    assert found["others.alpaca.phi"].text == "Phi, which is not tuned, scores 0.500 by base-chat: Mine is better."
    assert "best.alpaca" not in found


def test_the_best_system_and_those_that_are_as_good():
    assert said(several((0.7, 0.7), (0.5, 0.5), (0.65, 0.6)), "best.alpaca") == (
        "Ma has the highest score of the tuned models: 0.700 (95 % interval 0.600 to 0.800). It is better than 1 of 2 "
        "others that it is compared with; for 1 (Mc) this is undecided."
    )
    assert said(several((0.7, 0.7), (0.5, 0.5)), "best.alpaca").endswith(" It is better than Mb.")
    assert said(several((0.7, 0.7), (0.65, 0.5)), "best.alpaca").endswith(" Whether it is better than Mb is undecided.")
    assert said(several((0.9, 0.7), (0.65, 0.5), (0.6, 0.6)), "best.alpaca").endswith(
        " It is better than all 2 others that it is compared with."
    )


def test_costs_are_of_gpus_and_of_processors_with_energy_where_it_was_measured():
    records = several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))
    processor = replace(ENVIRONMENT, gpus=[])

    def spent(record, environment: Environment, joules, seconds):
        cost = replace(record.training.cost, energy_joules=joules, seconds=seconds)
        return replace(record, training=replace(record.training, cost=cost, environment=environment))

    records[2] = spent(records[2], ENVIRONMENT, 5.4e6, 9000.0)
    records[5] = spent(records[5], processor, None, 600.0)
    text = said(records, "cost")
    assert text == (
        "2 trainings took 2.5 GPU hours and 10 processor minutes and decoding took 6 GPU minutes. The GPUs used "
        "1.5 kWh in "
        "1 of them, as far as it was measured."
    )
    records[5] = spent(records[5], ENVIRONMENT, 3.6e4, 600.0)
    assert said(records, "cost").endswith("The GPUs used 1.5 kWh in the trainings, as far as it was measured.")


def test_claims_of_the_paper_are_counted():
    records = a_model("mine", (0.6,), base=(0.2,), chat=(0.3,))
    assert said(records, "audit", audit=COUNTS) == (
        "Of the paper's 42 claims, 26 can be checked here: 21 hold, 1 does not, 4 are undecided."
    )
    assert said(records, "audit", audit={"not stated": 3, "not checkable here": 4}) == (
        "None of the paper's 7 claims can be checked with what was run here."
    )
    assert "audit" not in found_in(records)


def changed(records, **changes):
    """The same records with another summary."""
    return [
        replace(one, tests={ALPACA: replace(tested, summary=replace(tested.summary, **changes))})
        for one in records
        for tested in [one.tests[ALPACA]]
    ]


LIMITS = [
    ("samples", {}, "All scores are of 10 test samples of alpaca. Other data may say otherwise."),
    (
        "samples",
        {"by_language": {"Python": ScoredPart(6, both(0.3)), "SQL": ScoredPart(4, both(None))}},
        "ROUGE-L applies to 6 of the 10 test samples of alpaca, and says nothing of others.",
    ),
    (
        "samples",
        {"by_language": {"SQL": ScoredPart(10, both(None))}},
        "ROUGE-L applies to none of the 10 test samples of alpaca.",
    ),
    (
        "samples",
        {"unmeasured": {"rouge_l": 2}},
        "All scores are of 10 test samples of alpaca. Other data may say otherwise. Of some run, 2 could not be "
        "measured.",
    ),
    (
        "empty",
        {"empty": 0.2},
        "Empty predictions are 20 % of those of Ma by base, Ma by base-chat, Ma by qlora "
        "and 3 more: gains over these say little.",
    ),
]


@pytest.mark.parametrize(("name", "changes", "text"), LIMITS)
def test_what_the_test_samples_do_not_allow(name, changes, text):
    records = changed(several((0.7,), (0.6,), base=(0.2,), chat=(0.3,)), **changes)
    assert said(records, f"limits.alpaca.{name}") == text


def test_what_leaks_from_training_data_is_counted_with_what_it_changes():
    records = several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))
    assert said(records, "limits.alpaca.leaked", leaked=[1, 2, 5]) == (
        "3 of 10 test samples of alpaca are in the training data or have a near-duplicate there; without these, no "
        "score differs by more than 0.007."
    )
    scores = [replace(one, without_leaked=None) for one in fake_comparisons(records).scores]
    assert said(records, "limits.alpaca.leaked", leaked=[4], scores=scores) == (
        "1 of 10 test samples of alpaca is in the training data or has a near-duplicate there."
    )


def test_too_few_samples_for_intervals():
    records = several((0.7,), (0.6,), base=(0.2,), chat=(0.3,))
    compared = [replace(one, interval=None) for one in fake_comparisons(records).comparisons]
    assert said(records, "limits.alpaca.samples", comparisons=compared).endswith(" There are too few for intervals.")


def test_one_seed_is_about_that_one_training():
    one, three = a_model("mine", (0.6,), base=(0.2,), chat=(0.3,)), a_model("my", (0.6,), (0.2,), (0.3,), seeds=3)
    end = "about that one training; how much another seed would change is not known."
    assert said(one, "limits.seeds") == f"The model was tuned once, so intervals and verdicts are {end}"
    assert said([*one, *three], "limits.seeds") == f"1 of 2 tuned systems has one seed. What is said of them is {end}"
    both_once = several((0.6,), (0.7,), base=(0.2,), chat=(0.3,))
    assert said(both_once, "limits.seeds") == f"Each model was tuned once, so intervals and verdicts are {end}"


def test_trainings_that_went_wrong_are_named():
    records = several((0.6,), (0.7,), base=(0.2,), chat=(0.3,), seeds=2)
    training = records[2].training
    records[2] = replace(records[2], training=replace(training, result=replace(training.result, problem="nan")))
    assert said(records, "limits.diverged") == (
        "1 of 4 trainings went wrong (training diverged, or did not lower the validation loss), so that their "
        "scores say "
        "little: Ma by qlora, seed 0."
    )


def test_a_baseline_that_was_not_run_for_all_is_named():
    records = [
        record for record in several((0.6,), (0.7,), base=(0.2,), chat=(0.3,)) if record.run.method != "base-chat"
    ]
    assert said(records, "limits.baselines") == (
        "Not run for all models, so that no gain over them is known: base-chat (of qlora)."
    )
    without = [*records[:2], *records[3:]]
    assert said(without, "limits.without_gain") == "1 tuned system has no gain, for want of a baseline: Mb."


def test_what_every_study_cannot_say():
    text = said(a_model("mine", (0.6,), base=(0.2,), chat=(0.3,)), "limits.metric")
    assert text.startswith("No metric here runs code.")


def test_metrics_of_another_scale_have_other_decimals():
    records = [fake_record("m", "base", scores={"bleu": 10.0}), fake_record("m", "qlora", scores={"bleu": 34.56})]
    assert said(records, "gain.alpaca", metric="bleu") == (
        "Tuning by qlora raised BLEU of M by 24.6 (95 % interval +14.6 to +34.6)."
    )


def test_models_with_the_same_label_stay_apart():
    records = [
        record
        for name in ("ma", "mb")
        for record in (
            fake_record(fake_model(name, label="Same"), "base", scores=both(0.2)),
            fake_record(fake_model(name, label="Same"), "qlora", scores=both(0.25)),
        )
    ]
    found = found_in(records)
    assert found["gain.alpaca"].text.startswith("Whether tuning by qlora raised ROUGE-L is undecided for all 2 models")
    assert found["best.alpaca"].text.startswith("ma has the highest score")


def studies(count):
    """Random studies, whose names have no digit."""
    chance = random.Random(1)
    for _ in range(count):
        names = [f"m{'abcdefgh'[place]}" for place in range(chance.randint(1, 6))]
        methods = ["qlora", "dora", "ia"][: chance.randint(1, 3)]
        records = [
            record
            for name in names
            for record in a_model(
                name,
                (chance.random(), chance.random()),
                (chance.random(), chance.random()),
                (chance.random(), chance.random()),
                seeds=chance.randint(1, 2),
                methods=methods,
            )
        ]
        yield records + ([retrieved(chance.random())] if chance.random() < 0.5 else [])


def test_every_number_of_a_sentence_is_kept_with_its_name():
    """Beside the 95 of an interval and the numbers of seeds in a list, no sentence has a number of its own."""
    for records in studies(40):
        for one in found_in(records, audit=COUNTS).values():
            kept = {number.text for number in one.numbers.values()}
            text = re.sub(r"95 % interval", "interval", one.text)
            assert [number for number in re.findall(r"[-+]?\d[\d.,]*\d|\d", text) if number not in kept] == []


def test_counts_of_verdicts_are_those_of_the_comparisons():
    for records in studies(20):
        found, compared = found_in(records), fake_comparisons(records).comparisons
        for prefix, metric in (("gain", "rouge_l"), ("code", "rouge_l_on_code")):
            verdicts = [one.verdict for one in compared if one.family == "gain" and one.metric == metric]
            numbers = found[f"{prefix}.alpaca"].numbers
            assert numbers[f"{prefix}.alpaca.systems"].value == len(verdicts)
            for verdict in ("better", "worse", "undecided"):
                assert numbers[f"{prefix}.alpaca.{verdict}"].value == verdicts.count(verdict)


def test_a_finding_names_few_files():
    for records in studies(10):
        for one in found_in(records, audit=COUNTS).values():
            assert len(one.files) <= 4
            assert sum("*" in path for path in one.files) <= 1


def test_material_is_read_from_files(tmp_path):
    records = a_model("mine", (0.6,), base=(0.2,), chat=(0.3,))
    paths = [write_fake(record, tmp_path) for record in records]
    compared = write_fake_comparisons(fake_comparisons(records), tmp_path)
    audit = tmp_path / "audit.csv"
    audit.write_text("claim,verdict\na,agrees\nb,disagrees\nc,agrees\n")
    material = read_material({"records": paths, "comparisons": [compared], "audit": str(audit)}, "rouge_l")
    found = {one.name: one for one in conclude(material)}
    assert found["gain.alpaca"].text == ONE[0][1]
    assert found["gain.alpaca"].files == (compared, paths[2]) or list(found["gain.alpaca"].files) == [
        compared,
        paths[2],
    ]
    assert found["audit"].text == "Of the paper's 3 claims, 3 can be checked here: 2 hold, 1 does not, 0 are undecided."
    assert material.audit == {"agrees": 2, "disagrees": 1}


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.004], "0.004"), ([0.00001], "0.00"), ([0.0, 0.02], "0.00 to 0.02"), ([0.0301, 0.0299], "0.03")],
)
def test_a_gain_does_not_look_like_zero_if_few_decimals_more_tell_them_apart(values, text):
    assert Numbers("x").gains("y", values) == text


def test_lists_and_details():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    parent, child = Finding("gain.a", "", {}, []), Finding("gain.a.b", "", {}, [])
    assert (child.is_detail_of(parent), child.is_detail_of(None)) == (True, False)
