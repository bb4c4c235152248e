"""How many sequences and tokens a training has, worked out again from its token set."""

from dataclasses import replace

import pytest
from codetune.base.files import write_json
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import write_tokens
from codetune.report.sequences import differences_from_tokens
from codetune.study.method import TuningSettings
from codetune.study.tunings import virtual_tokens_of
from codetune.training.batches import pack_samples
from codetune.training.build import TrainingTokens
from fake_records import fake_training
from miniatures import MODEL, PLAN, tokens_for

PREFIX = TuningSettings("peft", {"type": "PREFIX_TUNING", "num_virtual_tokens": 30})


@pytest.mark.parametrize(("tuning", "packing"), [(PREFIX, True), (PREFIX, False), (PLAN.tuning, False)])
def test_they_are_those_of_the_training(checkpoints, tmp_path, tuning, packing):
    """Virtual tokens, which take room that some of the samples need, and samples that are not packed."""
    samples, tokenizer = tokens_for(checkpoints / MODEL, 24), load_tokenizer(checkpoints / MODEL)
    most = max(map(len, samples)) + 10
    plan = replace(PLAN, tuning=tuning, settings=replace(PLAN.settings, packing=packing, max_length=most))
    trained = TrainingTokens(samples, samples, 0).behind(virtual_tokens_of(tuning), most, tokenizer)
    rows = pack_samples(trained.train, most if packing else 0)["input_ids"]
    write_tokens(tmp_path / "train.arrow", samples)
    stats = tmp_path / "stats.json"
    write_json(stats, {"context": None})
    facts, steps = fake_training(PLAN), plan.settings.epochs * -(-len(rows) // plan.settings.batch_size)
    data = replace(facts.data, packed_sequences=len(rows), tokens=sum(map(len, rows)), **trained.cut)
    facts = replace(facts, plan=plan, data=data, result=replace(facts.result, planned_steps=steps))
    assert differences_from_tokens(facts, str(stats)) == []
    assert bool(sum(trained.cut.values())) == (tuning is PREFIX)
    other = replace(facts, data=replace(data, tokens=data.tokens + 1))
    assert differences_from_tokens(other, str(stats)) == [
        f"data.tokens: found {data.tokens + 1}, expected {data.tokens} by {stats}"
    ]
