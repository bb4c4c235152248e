"""Several candidates per prompt: beams as transformers finds them, and samples that nothing but their seed changes."""

import copy
from collections import Counter
from dataclasses import replace

import pytest
import torch
from codetune.generation.batches import generate, make_batches
from codetune.generation.beams import search_beams
from codetune.generation.decoding import decode, greedy_config
from codetune.generation.loading import prompt_limit
from codetune.generation.sampling import Sampler
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import Ending
from codetune.prompts.tokensets import TokenSample
from codetune.study.decoding import Decoding
from miniatures import DECODING, FP32, MODEL, complete, out_of_memory_beyond, tokens_for
from tiny_models import CONTEXT, CONTEXTS, WINDOWS, random_texts, tiny_model
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

ENDING = Ending("", 2, [2], ["<|end|>"])  # of the miniatures, in the paper's template
BEAMS = replace(DECODING, kind="beam", candidates=4)
SAMPLES = replace(DECODING, kind="sample", candidates=3, temperature=0.8, top_p=0.9, seed=0)
WAYS = {"beam": BEAMS, "sample": SAMPLES}


def by_the_library(model, prompt, count, most, stops):
    """What `generate` gives for a single prompt: ids up to the end token, and scores."""
    options = copy.deepcopy(greedy_config(model, most, stops))
    settings = {"num_beams": count, "num_return_sequences": count, "do_sample": False}
    options.update(**settings, output_scores=True, return_dict_in_generate=True)
    ids = torch.tensor([prompt])
    found = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        generation_config=options,
    )
    beams = []
    for row, score in zip(found.sequences[:, len(prompt) :].tolist(), found.sequences_scores.tolist(), strict=True):
        end = next((place for place, token in enumerate(row) if token in stops), len(row))
        beams.append((row[: end + 1], pytest.approx(score, abs=1e-5)))
    return beams


def stops_of(model, prompts, count, most):
    """End tokens that some of the beams hold: models this small never end by themselves."""
    rows = [
        beam.ids for beams in search_beams(model, prompts, greedy_config(model, most, [2]), count) for beam in beams
    ]
    seen = Counter(token for row in rows for token in set(row) - {row[0]})
    return sorted({2, *sorted(seen, key=lambda token: (abs(seen[token] - len(rows) / 2), token))[:2]})


@pytest.mark.parametrize("count", [2, 5, 10])
@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_beams_are_those_of_the_library(checkpoints, name, count):
    """All prompts in one batch here, one at a time there."""
    model = load_base(checkpoints / name, FP32)
    prompts = [prompt.prompt for prompt in tokens_for(checkpoints / name, 8)]
    assert len({len(prompt) for prompt in prompts}) > 3
    stops = stops_of(model, prompts, count, 20)
    found = search_beams(model, prompts, greedy_config(model, 20, stops), count)
    assert found == [by_the_library(model, prompt, count, 20, stops) for prompt in prompts]
    for beams in found:
        assert [beam.score for beam in beams] == sorted((beam.score for beam in beams), reverse=True)


@pytest.mark.parametrize("name", ["mistral", "qwen2", "starcoder2"])
def test_beams_beyond_a_window_are_those_of_the_library(name):
    """Some beams end early, and others run to the limit."""
    model = tiny_model(*WINDOWS[name])
    prompts = random_texts([3, 12, 20, 5])
    stops = stops_of(model, prompts, 4, 16)
    found = search_beams(model, prompts, greedy_config(model, 16, stops), 4)
    assert found == [by_the_library(model, prompt, 4, 16, stops) for prompt in prompts]
    assert len({len(beam.ids) for beams in found for beam in beams}) > 2


def test_beams_end_with_the_context():
    model = tiny_model(*CONTEXTS["declared"])
    prompts, options = random_texts([CONTEXT - 3, 5, CONTEXT]), greedy_config(model, 16, [2])
    long, short, full = search_beams(model, prompts, options, 3, CONTEXT)
    assert long == by_the_library(model, prompts[0], 3, 3, [2])
    assert short == by_the_library(model, prompts[1], 3, 16, [2])
    assert full == [([], 0.0)] * 3


def test_draws_are_by_the_probabilities_of_the_library_s_warpers():
    torch.manual_seed(0)
    logits = 3 * torch.randn(5, 200)
    for temperature, top_p in [(1.0, 1.0), (0.5, 1.0), (1.7, 0.8), (0.2, 0.05)]:
        sampler = Sampler(replace(SAMPLES, temperature=temperature, top_p=top_p), [0, 1])
        expected = TopPLogitsWarper(top_p)(None, TemperatureLogitsWarper(temperature)(None, logits)).softmax(-1)
        assert torch.equal(sampler.probabilities(logits), expected)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([[0.0, 2.0, -1.0, 1.0, 0.5]]).repeat(4000, 1)
    sampler = Sampler(replace(SAMPLES, candidates=1, temperature=1.0, top_p=0.95), list(range(4000)))
    expected = sampler.probabilities(logits)[0]
    found = torch.bincount(sampler(logits, list(range(4000))), minlength=5) / 4000
    assert expected[2] == found[2] == 0
    assert torch.allclose(found, expected, atol=0.03)


def test_a_draw_never_takes_what_may_not_be_drawn():
    sampler = Sampler(replace(SAMPLES, candidates=1, temperature=1.0, top_p=1.0), [0])
    logits = torch.full((1, 7), -torch.inf)
    logits[0, 3] = 0.0
    assert {sampler(logits, [0]).item() for _ in range(50)} == {3}


@pytest.fixture
def miniature(checkpoints):
    return load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL), tokens_for(checkpoints / MODEL, 9)


def shown(predictions):
    """Predictions to compare: the scores of beams are the same up to rounding."""
    return [
        (
            one.id,
            [(each.text, each.tokens, each.truncated, pytest.approx(each.score, abs=2e-4)) for each in one.candidates],
        )
        for one in predictions
    ]


@pytest.mark.parametrize("way", WAYS)
def test_candidates_are_the_same_in_any_batch(miniature, way):
    """One prompt at a time, all at once, and in another order with other prompts beside it."""
    model, tokenizer, prompts = miniature
    decoding = WAYS[way]
    expected = complete(model, tokenizer, prompts, replace(decoding, batch_size=100))
    assert [prediction.id for prediction in expected] == [prompt.id for prompt in prompts]
    assert {len(prediction.candidates) for prediction in expected} == {decoding.count}
    assert shown(complete(model, tokenizer, prompts, replace(decoding, batch_size=1))) == shown(expected)
    assert shown(complete(model, tokenizer, prompts[::-2], decoding)) == shown(expected[::-2])


def test_samples_follow_the_seed_of_the_run_and_differ_among_candidates(miniature):
    model, tokenizer, prompts = miniature
    first = complete(model, tokenizer, prompts, SAMPLES)
    assert complete(model, tokenizer, prompts, SAMPLES) == first
    other = complete(model, tokenizer, prompts, replace(SAMPLES, seed=1))
    assert [one.first.text for one in other] != [one.first.text for one in first]
    assert any(len({candidate.text for candidate in one.candidates}) == 3 for one in first)
    fewer = complete(model, tokenizer, prompts, replace(SAMPLES, candidates=2))
    assert [one.candidates for one in fewer] == [one.candidates[:2] for one in first]


def test_only_beams_have_a_score(miniature):
    model, tokenizer, prompts = miniature
    for way, decoding in WAYS.items():
        for prediction in complete(model, tokenizer, prompts[:2], decoding):
            scores = [candidate.score for candidate in prediction.candidates]
            assert scores == (sorted(scores, reverse=True) if way == "beam" else [None] * decoding.count)


@pytest.mark.parametrize("way", WAYS)
def test_several_candidates_go_on_after_the_last_whole_batch(miniature, tmp_path, way):
    model, tokenizer, prompts = miniature
    decoding, kept = replace(WAYS[way], batch_size=2 * WAYS[way].count), tmp_path / "kept"
    expected = generate(model, tokenizer, prompts, decoding, ENDING, prompt_limit(decoding), kept)
    lines = kept.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    kept.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    assert generate(model, tokenizer, prompts, decoding, ENDING, prompt_limit(decoding), kept) == expected
    assert len(kept.read_bytes().splitlines()) == 5


@pytest.mark.parametrize("way", WAYS)
def test_several_candidates_go_on_with_fewer_prompts_at_once(miniature, way):
    model, tokenizer, prompts = miniature
    decoding = replace(WAYS[way], batch_size=100)
    expected = complete(model, tokenizer, prompts, decoding)
    seen = out_of_memory_beyond(model, 3 * decoding.count, lambda inputs: len(inputs["input_ids"]))
    assert shown(complete(model, tokenizer, prompts, decoding)) == shown(expected)
    assert max(seen[2:]) <= 4 * decoding.count


@pytest.mark.parametrize("way", WAYS)
def test_batches_hold_their_budget_with_a_row_per_candidate(way):
    prompts = [TokenSample(i, [1] * (5 + i % 40), [2] * (i * 7 % 90 + 1)) for i in range(100)]
    decoding = replace(WAYS[way], max_new_tokens=20, batch_size=32)
    batches = list(make_batches(prompts, decoding, cache_tokens=1000))
    assert sorted(i for batch in batches for i in batch) == list(range(100))
    for batch in batches:
        longest = max(len(prompts[i].prompt) for i in batch)
        assert len(batch) * decoding.count <= 32
        assert len(batch) == 1 or len(batch) * decoding.count * (longest + 20) <= 1000
    assert prompt_limit(decoding).rows == 32 // decoding.count


def test_a_batch_has_a_prompt_also_where_its_candidates_are_more_than_the_batch(miniature):
    model, tokenizer, prompts = miniature
    assert prompt_limit(replace(BEAMS, batch_size=1)).rows == 1
    (found,) = complete(model, tokenizer, prompts[:1], replace(BEAMS, batch_size=1))
    assert len(found.candidates) == 4


def test_a_prompt_that_fills_the_context_has_empty_candidates():
    model = tiny_model(*CONTEXTS["declared"])
    prompts, options = random_texts([CONTEXT, 5]), greedy_config(model, 4, [2])
    rows = decode(model, prompts, options, CONTEXT, Sampler(SAMPLES, [0, 1]), SAMPLES.count)
    assert rows[:3] == [[]] * 3
    assert all(rows[3:])
    assert rows[3:] == decode(model, prompts[1:], options, CONTEXT, Sampler(SAMPLES, [1]), SAMPLES.count)


def test_the_settings_of_greedy_decoding_are_what_they_were():
    assert Decoding(12, 8, 1) == DECODING
    assert SAMPLES.greedy == BEAMS.greedy == DECODING
    assert SAMPLES.of_seed(3).seed == 3
    assert BEAMS.of_seed(3) == BEAMS
