"""Packing of samples into training sequences."""

import random

from codetune.data.cleaning import clean
from codetune.data.reading import read_records
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.packing import pack, steps_per_epoch
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode
from codetune.prompts.tokensets import truncate
from codetune.study.template import BUILT_IN


def test_packing_gives_steps_of_the_order_of_table_1(real):
    """Table 1 has 15 steps per epoch at batch size 160 for Llama-1B; without packing there would be about 125."""
    tokenizer = load_tokenizer(real / "tokenizers" / "llama-3.2")
    samples, _ = clean(dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json"))))
    tokens = encode(samples, tokenizer, serialisation_of(BUILT_IN["chat"], tokenizer))
    bins = pack([len(sample) for sample in truncate(tokens, 1024)[0]], 1024)
    assert 14 <= -(-len(bins) // 160) <= 15


def test_packing_places_every_sample_once_and_fits():
    rng = random.Random(0)
    for capacity in (16, 100, 1024):
        lengths = [rng.randint(1, capacity) for _ in range(500)]
        bins = pack(lengths, capacity)
        assert sorted(index for members in bins for index in members) == list(range(500))
        assert all(sum(lengths[i] for i in members) <= capacity for members in bins)
        assert len(bins) >= -(-sum(lengths) // capacity)


def test_without_packing_every_sample_has_a_sequence_of_its_own_in_their_order():
    assert pack([3, 9, 1, 9], None) == [[0], [1], [2], [3]]
    assert pack([], None) == pack([], 4) == []


def test_packing_is_as_tight_as_the_peer_s():
    from datasets import Dataset
    from trl import pack_dataset

    lengths = [17 + (i * i * 31) % 240 for i in range(900)]
    rows = Dataset.from_dict({"input_ids": [[1] * n for n in lengths]})
    peer = pack_dataset(rows, 1024, "bfd", map_kwargs={"batch_size": len(lengths)})
    assert len(pack(lengths, 1024)) <= len(peer)


def test_steps_round_up():
    assert steps_per_epoch(2400, 160) == 15
    assert steps_per_epoch(2401, 160) == 16
