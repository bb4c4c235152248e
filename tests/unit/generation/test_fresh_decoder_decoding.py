"""Decoding by an encoder with a fresh decoder: what the library gives for each prompt alone, within its positions."""

from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.generation.beams import search_beams
from codetune.generation.decoding import decode, greedy_config
from codetune.generation.seq2seq import EncoderDecoderReading
from codetune.generation.trial import try_decoding
from codetune.models.caches import cache_bytes
from codetune.models.context import context_of
from codetune.models.device import set_determinism
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import TokenSample
from miniatures import DECODING, WHOLE, complete
from tiny_roberta import POSITIONS, build_roberta
from two_texts import as_two_texts, by_the_library, stops_of

MOST = 24


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_roberta(tmp_path_factory.mktemp("roberta") / "roberta")


@pytest.fixture(scope="module")
def samples(checkpoint):
    return as_two_texts(checkpoint, 8)


@pytest.fixture
def model(checkpoint):
    """The model with weights that are large enough for its texts to depend on their prompts."""
    set_determinism(0)
    loaded = load_base(checkpoint, WHOLE)
    for number, parameter in enumerate(loaded.decoder.parameters()):
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        parameter.data = parameter + 0.3 * noise
    return loaded.requires_grad_(False)


def test_greedy_decoding_is_that_of_the_library(model, samples):
    """All prompts in one batch here, one at a time there; some end, and most are cut off."""
    prompts = [sample.prompt for sample in samples]
    assert len({len(prompt) for prompt in prompts}) > 3
    free = decode(model, prompts, greedy_config(model, MOST, [2]))
    assert len({tuple(text) for text in free}) > 3, "texts depend on their prompts"
    stops = stops_of(free)
    found = decode(model, prompts, greedy_config(model, MOST, stops))
    assert found == [by_the_library(model, prompt, stops, MOST)[0][0] for prompt in prompts]
    assert any(text[-1] in stops and len(text) < MOST for text in found)
    assert [decode(model, [prompt], greedy_config(model, MOST, stops))[0] for prompt in prompts] == found


@pytest.mark.parametrize("count", [2, 10])
def test_beams_are_those_of_the_library(model, samples, count):
    prompts = [sample.prompt for sample in samples]
    free = search_beams(model, prompts, greedy_config(model, MOST, [2]), count)
    stops = stops_of([beam.ids for beams in free for beam in beams])
    found = search_beams(model, prompts, greedy_config(model, MOST, stops), count)
    assert found == [by_the_library(model, prompt, stops, MOST, count) for prompt in prompts]
    assert any(len(beam.ids) < MOST for beams in found for beam in beams)


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_predictions_do_not_depend_on_the_batch(checkpoint, model, samples, kind):
    ways = {
        "greedy": DECODING,
        "beam": replace(DECODING, kind="beam", candidates=3),
        "sample": replace(DECODING, kind="sample", candidates=2, temperature=0.8, top_p=0.9, seed=0),
    }
    tokenizer, decoding = load_tokenizer(checkpoint), ways[kind]
    found = complete(model, tokenizer, samples, decoding)
    assert found == [complete(model, tokenizer, [sample], decoding)[0] for sample in samples]
    assert {len(prediction.candidates) for prediction in found} == {decoding.count}


def test_prompt_and_completion_have_all_positions_each_and_a_longer_prompt_is_left_empty(model):
    context = context_of(model.config)
    longest, beyond = [7] * context, [7] * (context + 1)
    options = greedy_config(model, 2 * POSITIONS, [2])
    full, empty = decode(model, [longest, beyond], options, context)
    assert (len(full) == context or full[-1] == 2) and empty == []
    assert full == by_the_library(model, longest, [2], most=context)[0][0]
    (first, _), (none, _) = search_beams(model, [longest, beyond], greedy_config(model, 4, [2]), 2, context)
    assert first.ids
    assert none.ids == []


def test_batches_are_as_large_as_the_cache_has_room(model, samples):
    """The decoder holds keys and values of the input and of what it has written, in each of its layers."""
    reading = EncoderDecoderReading(model, [sample.prompt for sample in samples])
    layers = [*reading._cache.self_attention_cache.layers, *reading._cache.cross_attention_cache.layers]
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    longest = max(len(sample.prompt) for sample in samples)
    assert held == cache_bytes(model.config, 4) * len(samples) * (longest + 1)


def test_a_model_is_tried_before_it_decodes(model, samples, capsys):
    beyond = TokenSample(99, [7] * (POSITIONS + 1), [7, 2])
    try_decoding(model, [*samples, beyond], MOST)
    assert "decoding differs by" in capsys.readouterr().out
    forward = model.forward
    model.forward = lambda **inputs: forward(**inputs | {"attention_mask": None})  # sees padding
    with pytest.raises(StudyError, match=r"in a batch and with a cache, this model's logits differ from those of a te"):
        try_decoding(model, samples, MOST)
