"""How many sequences and tokens a training has, worked out again from its token set."""

from dataclasses import replace

import pytest
from codetune.base.files import write_json
from codetune.prompts.tokensets import write_tokens
from codetune.report.sequences import differences_from_tokens
from codetune.study.method import TuningSettings
from fake_records import fake_training
from miniatures import MODEL, PLAN, tokens_for, trainer_for

PREFIX = TuningSettings("peft", {"type": "PREFIX_TUNING", "num_virtual_tokens": 30})


@pytest.mark.parametrize(("tuning", "packing"), [(PREFIX, True), (PREFIX, False), (PLAN.tuning, False)])
def test_they_are_those_of_the_training(checkpoints, tmp_path, tuning, packing):
    """Virtual tokens, which take room that some of the samples need, and samples that are not packed."""
    samples = tokens_for(checkpoints / MODEL, 24)
    most = max(map(len, samples)) + 10
    plan = replace(PLAN, tuning=tuning, settings=replace(PLAN.settings, packing=packing, max_length=most))
    rows = trainer_for(checkpoints / MODEL, tmp_path, samples, plan).train_dataset["input_ids"]
    write_tokens(tmp_path / "train.arrow", samples)
    stats = tmp_path / "stats.json"
    write_json(stats, {"context": None})
    facts, steps = fake_training(plan), plan.settings.epochs * -(-len(rows) // plan.settings.batch_size)
    data = replace(facts.data, packed_sequences=len(rows), tokens=sum(map(len, rows)))
    facts = replace(facts, data=data, result=replace(facts.result, planned_steps=steps))
    assert differences_from_tokens(facts, str(stats)) == []
    other = replace(facts, data=replace(data, tokens=data.tokens + 1))
    assert differences_from_tokens(other, str(stats)) == [
        f"data.tokens: found {data.tokens + 1}, expected {data.tokens} by {stats}"
    ]
