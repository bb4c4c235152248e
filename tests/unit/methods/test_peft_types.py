"""PEFT's types: one of each kind is tried, and the table of all agrees with what is refused."""

import peft_table
import pytest
from codetune.study.tunings import SOFT_PROMPTS
from miniatures import FP32, MODEL
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft_entries import BY_NAME, ENTRIES
from peft_trials import TRIALS, try_type

KINDS = [
    ("LORA, DoRA", "nf4"),  # of low rank, with magnitudes
    ("LORA, PiSSA by random projection", "none"),  # that changes the weights beside it
    ("OFT", "nf4"),  # orthogonal
    ("IA3", "int8"),  # scaling
    ("FOURIERFT", "none"),  # few numbers of a transform
    ("ADALORA", "nf4"),  # with a step of its own after the optimizer's
    ("LN_TUNING", "nf4"),  # copies of whole layers
    ("TRAINABLE_TOKENS", "none"),  # in a tied output layer, too
]


@pytest.mark.parametrize(("name", "quantization"), KINDS, ids=lambda value: value)
def test_one_type_of_each_kind_does_all_that_a_run_needs(checkpoints, name, quantization):
    found = try_type(checkpoints / MODEL, BY_NAME[name], FP32.of_type(quantization))
    assert found == dict.fromkeys(TRIALS, "yes")


def test_each_type_of_peft_is_in_the_table():
    tried = {entry.keys["type"] for entry in ENTRIES}
    assert tried == {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING} - SOFT_PROMPTS
    assert list(peft_table.read_rows(peft_table.PAGE)) == [entry.name for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_table_says_what_the_plan_says(entry):
    keys, *cells, reason = peft_table.read_rows(peft_table.PAGE)[entry.name]
    refusals = [peft_table.refusal(entry, kind) for kind in peft_table.QUANTIZATIONS]
    assert keys == peft_table.keys_of(entry)
    assert cells == ["no" if refused else "yes" for refused in refusals]
    assert reason == "; ".join(dict.fromkeys(filter(None, refusals)))
