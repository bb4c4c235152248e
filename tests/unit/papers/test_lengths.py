"""Whether one length of packed sequences gives the paper's steps: its borders, packings, and the real tokenizers."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from codetune.base.files import read_json
from codetune.papers.claims import audit
from codetune.papers.evidence import OTHER_MODELS
from codetune.papers.lengths import LENGTHS, MOST_EMPTY, lengths_that_fit
from codetune.papers.steps import sequences_of
from codetune.papers.verdicts import AGREES, DISAGREES, NOT_CHECKABLE
from codetune.prompts.packing import pack, steps_per_epoch
from paper_study import NAMES, PAPER, a_study, paper_scores, write_value

TABLE1 = PAPER["table1"]
FAMILIES = {"llama-3.2-1b": "llama-3.2", "llama-3.2-3b": "llama-3.2", "gemma-2-2b": "gemma-2"}
FAMILIES |= {"qwen2.5-1.5b": "qwen2.5", "qwen2.5-3b": "qwen2.5"}


def the_row(evidence):
    table = audit(evidence)
    rows = [row for _, row in table.iterrows() if row["claim"].startswith("One length of packed")]
    return rows[0] if rows else None


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("place", range(5))
def test_the_sequences_of_a_row_are_those_that_give_its_steps(place, whole):
    row = TABLE1[place]
    epochs, batch = row["epochs"], row["batch_size"]
    giving = [
        count
        for count in range(1, 8000)
        if epochs * (count // batch if whole else steps_per_epoch(count, batch)) == row["steps"]
    ]
    assert giving == list(sequences_of(row, whole))


@pytest.mark.parametrize("seed", range(20))
def test_where_a_real_packing_gives_the_steps_the_length_fits(seed):
    """Best-fit and running text, of random samples: a length at which they give all steps is never missed."""
    generator = random.Random(seed)
    samples = [min(2000, int(generator.lognormvariate(4.4, 0.6)) + 5) for _ in range(20000)]
    length = generator.choice(range(300, 2000))
    packed = len(pack([min(sample, length) for sample in samples], length))
    running = sum(samples) // length
    for count in (packed, running, running + 1):
        for batch, whole in ((64, True), (160, True), (128, False)):
            steps = count // batch if whole else steps_per_epoch(count, batch)
            row = {"steps": 50 * steps, "epochs": 50, "batch_size": batch}
            assert length in lengths_that_fit([row] * 2, [Counter(samples)] * 2)


def test_the_borders_of_a_length_that_fits():
    """2,500 sequences of 1,000 tokens without a gap, for a row that takes exactly so many."""
    row = {"steps": 2500, "epochs": 1, "batch_size": 1}
    fitting = lengths_that_fit([row], [{100: 25000}])
    assert fitting == list(range(1000, 1053))  # with 1,052 tokens 5 % of the room stay empty
    assert 2500 * 1052 * (1 - MOST_EMPTY) < 2_500_000 < 2500 * 1053 * (1 - MOST_EMPTY)
    assert lengths_that_fit([row, row], [{100: 25000}, {100: 27000}]) == []
    assert lengths_that_fit([row], [{100: 100}]) == []  # too few for any length
    assert lengths_that_fit([row], [{100: 10**6}]) == []


def test_samples_longer_than_a_sequence_are_cut_off_or_go_on():
    row = {"steps": 100, "epochs": 1, "batch_size": 1}
    fitting = lengths_that_fit([row], [{3000: 100}])  # one each where cut off; 150 at 2,000 tokens where they go on
    assert fitting == list(LENGTHS)


@pytest.mark.parametrize(("factor", "expected"), [(1, AGREES), (1.15, DISAGREES)])
def test_one_length_in_both_directions(tmp_path, factor, expected):
    """The same tokens for all models, or more for one whose tokenizer needs more."""
    lengths = {name: {100: 8000} for name in NAMES} | {"gemma-2-2b": {int(100 * factor): 8000}}
    row = the_row(a_study(tmp_path, lengths=lengths))
    assert row["verdict"] == expected
    assert "template 'paper'" in row["claim"]
    assert row["paper"] == "750, 1950, 950, 950, 1950 steps"
    assert (row["computed"] == "none") == (expected == DISAGREES)
    assert "on 33 %, 67 %, 100 % of the samples" in row["how"]


def test_the_row_needs_the_tokens_of_all_models_of_table_1(tmp_path):
    scores = {key: score for key, score in paper_scores().items() if key != ("gemma-2-2b", "qlora")}
    assert the_row(a_study(tmp_path / "a", scores)) is None
    row = the_row(a_study(tmp_path / "b", genuine=False))
    assert (row["verdict"], row["because"]) == (NOT_CHECKABLE, OTHER_MODELS)
    assert row["computed"] == "none"


def test_each_template_that_all_models_have_has_a_row(tmp_path):
    study = a_study(tmp_path, lengths={key: {100: 8000} for key in NAMES})
    for name, model in study.models.items():
        if model.tokens:
            found = read_json(model.tokens["paper"])
            found["lengths"] |= {"train": {"200": 9000} if name == "gemma-2-2b" else {"100": 9000}, "prompts": {}}
            chat = {"chat": write_value(tmp_path / "chat" / name / "stats.json", found)}
            study.models[name] = replace(model, tokens=model.tokens | chat, prompts=model.prompts | chat)
            write_value(
                tmp_path / "chat" / name / "stats.json", found | {"lengths": found["lengths"] | {"prompts": {}}}
            )
    table = audit(study)
    rows = table[table["claim"].str.startswith("One length of packed")]
    assert [claim.rpartition(" ")[2] for claim in rows["claim"]] == ["'paper'", "'chat'"]
    assert list(rows["verdict"]) == [AGREES, DISAGREES]
    assert "/chat/" in rows["files"].iloc[1]
    assert "/chat/" not in rows["files"].iloc[0]
    study.models["gemma-2-2b"] = replace(study.models["gemma-2-2b"], prompts={"paper": model.prompts["paper"]})
    table = audit(study)
    assert table["claim"].str.startswith("One length of packed").sum() == 1


def test_steps_are_of_the_template_that_the_paper_s_method_was_trained_in(tmp_path):
    model = a_study(tmp_path).models["gemma-2-2b"]
    model = replace(model, tokens={"chat": "c/stats.json", "paper": "p/stats.json"})
    assert model.stats == "p/stats.json"
    records = {"qlora": [replace(record, template="chat") for record in model.records["qlora"]]}
    assert replace(model, records=records).stats == "c/stats.json"
    assert replace(model, records={"qlora-chat": records["qlora"]}).stats == "c/stats.json"
    assert replace(model, tokens={}).stats == ""


def test_no_length_gives_table_1_s_steps_with_the_real_tokenizers(real):
    """In either template, on 85, 90 or 100 % of the records of CodeAlpaca-20k."""
    from codetune.data.cleaning import clean
    from codetune.data.reading import read_records
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.serialising import serialisation_of
    from codetune.prompts.tokenizing import encode
    from codetune.study.template import BUILT_IN

    samples, _ = clean(dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json"))))
    random.Random(0).shuffle(samples)
    tokenizers = {name: load_tokenizer(real / "tokenizers" / name) for name in dict.fromkeys(FAMILIES.values())}
    for template in ("paper", "chat"):
        lengths = {
            name: [
                len(sample) for sample in encode(samples, tokenizer, serialisation_of(BUILT_IN[template], tokenizer))
            ]
            for name, tokenizer in tokenizers.items()
        }
        for share in (0.85, 0.9, 1):
            counts = {name: Counter(found[: round(share * len(samples))]) for name, found in lengths.items()}
            own = [counts[FAMILIES[row["model"]]] for row in TABLE1]
            assert lengths_that_fit(TABLE1, own) == []
            four = [place for place, row in enumerate(TABLE1) if row["model"] != "gemma-2-2b"]
            if template == "paper":  # so that the test could fail: without Gemma there are such lengths
                assert lengths_that_fit([TABLE1[place] for place in four], [own[place] for place in four])
