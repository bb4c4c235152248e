"""Decoding of encoder-decoders in batches: what the library gives for each prompt alone, also behind soft prompts."""

import json
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.generation.batches import make_batches
from codetune.generation.beams import search_beams
from codetune.generation.decoding import decode, greedy_config
from codetune.generation.loading import load_for_decoding
from codetune.generation.seq2seq import EncoderDecoderReading
from codetune.generation.trial import try_decoding
from codetune.methods.tuning import make_tuning
from codetune.models.caches import cache_bytes
from codetune.models.loading import Checkpoint, load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Source
from miniatures import DECODING, WHOLE, complete
from tiny_t5 import build_t5
from tunings import lora
from two_texts import as_two_texts, by_the_library, stops_of

MOST = 24
TUNINGS = {
    "untuned": None,
    "lora": lora(target_modules=["q", "v"], init_lora_weights=False),
    "prompt": TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 5}),
    "prefix": TuningSettings("peft", {"type": "PREFIX_TUNING", "num_virtual_tokens": 5}),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_t5(tmp_path_factory.mktemp("t5") / "t5", steps=60)


@pytest.fixture(scope="module")
def samples(checkpoint):
    return as_two_texts(checkpoint, 8)


@pytest.fixture(scope="module", params=sorted(TUNINGS))
def model(request, checkpoint):
    """A model, with what was trained in its place: large values, so that nothing can be left out unnoticed."""
    base, settings = load_base(checkpoint, WHOLE), TUNINGS[request.param]
    if settings is None:
        return base
    torch.manual_seed(1)
    tuned = make_tuning(settings).attach(base, Source(path="somewhere"), 10).eval()
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn_like(parameter) * 0.5
    return tuned.requires_grad_(False)


def test_greedy_decoding_is_that_of_the_library(model, samples):
    """All prompts in one batch here, one at a time there; some end, and most are cut off."""
    prompts = [sample.prompt for sample in samples]
    assert len({len(prompt) for prompt in prompts}) > 3
    stops = stops_of(decode(model, prompts, greedy_config(model, MOST, [2])))
    found = decode(model, prompts, greedy_config(model, MOST, stops))
    assert found == [by_the_library(model, prompt, stops, MOST)[0][0] for prompt in prompts]
    assert any(text[-1] in stops and len(text) < MOST for text in found)
    assert [decode(model, [prompt], greedy_config(model, MOST, stops))[0] for prompt in prompts] == found


@pytest.mark.parametrize("count", [2, 5])
def test_beams_are_those_of_the_library(model, samples, count):
    prompts = [sample.prompt for sample in samples]
    free = search_beams(model, prompts, greedy_config(model, MOST, [2]), count)
    stops = stops_of([beam.ids for beams in free for beam in beams])
    found = search_beams(model, prompts, greedy_config(model, MOST, stops), count)
    assert found == [by_the_library(model, prompt, stops, MOST, count) for prompt in prompts]
    assert any(len(beam.ids) < MOST for beams in found for beam in beams)


def test_what_is_decoded_is_what_was_trained(model, samples):
    """The logits of each step are those that the model gives for the whole completion at once, as in training."""
    texts = [sample.completion[:10] for sample in samples if len(sample.completion) >= 10]
    prompts = [sample.prompt for sample in samples if len(sample.completion) >= 10]
    assert len(prompts) > 3
    with torch.inference_mode():
        reading, found = EncoderDecoderReading(model, prompts), []
        for step in range(10):
            found.append(reading.logits)
            reading.read(torch.tensor([text[step] for text in texts]))
        for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            ids = {"input_ids": torch.tensor([prompt]), "attention_mask": torch.ones(1, len(prompt), dtype=torch.long)}
            expected = model(**ids, decoder_input_ids=torch.tensor([[0, *text[:-1]]]), use_cache=False).logits[0]
            assert torch.allclose(torch.stack([logits[row] for logits in found]), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_predictions_do_not_depend_on_the_batch(checkpoint, samples, kind):
    ways = {
        "greedy": DECODING,
        "beam": replace(DECODING, kind="beam", candidates=3),
        "sample": replace(DECODING, kind="sample", candidates=2, temperature=0.8, top_p=0.9, seed=0),
    }
    base, tokenizer, decoding = load_base(checkpoint, WHOLE), load_tokenizer(checkpoint), ways[kind]
    found = complete(base, tokenizer, samples, decoding)
    assert found == [complete(base, tokenizer, [sample], decoding)[0] for sample in samples]
    assert {len(prediction.candidates) for prediction in found} == {decoding.count}
    assert all(one.truncated == (one.tokens == 12) for p in found for one in p.candidates if one.truncated)


def test_batches_are_as_large_as_the_cache_has_room(checkpoint, samples):
    """The decoder holds keys and values of the input and of what it has written, in each of its layers."""
    base = load_base(checkpoint, WHOLE)
    cached = cache_bytes(base.config, 4)
    assert cached == 2 * 2 * 4 * 16 * 4
    reading = EncoderDecoderReading(base, [sample.prompt for sample in samples])
    layers = [*reading._cache.self_attention_cache.layers, *reading._cache.cross_attention_cache.layers]
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    assert held == cached * len(samples) * (max(len(sample.prompt) for sample in samples) + 1)
    assert sum(map(len, make_batches(samples, DECODING, 150))) == len(samples)


def test_a_model_is_tried_before_it_decodes(checkpoint, samples, capsys):
    base = load_base(checkpoint, WHOLE)
    try_decoding(base, samples, MOST)
    assert "decoding differs by" in capsys.readouterr().out
    forward = base.forward
    base.forward = lambda **inputs: forward(**inputs | {"attention_mask": None})  # sees padding
    with pytest.raises(StudyError, match=r"in a batch and with a cache, this model's logits differ from those of a te"):
        try_decoding(base, samples, MOST)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("none", "bfloat16"), ("nf4", "bfloat16"), ("nf4", "float32"), ("int8", "float32")]
)
def test_weights_in_fewer_bits_decode_like_those_of_each_text_alone(checkpoint, samples, capsys, kind, dtype):
    base = load_for_decoding(Checkpoint(checkpoint, Quantization(kind, double=True, compute_dtype=dtype)), DECODING)
    try_decoding(base, samples, MOST)
    assert "decoding differs by" in capsys.readouterr().out
    found = complete(base, load_tokenizer(checkpoint), samples)
    assert all(0 < prediction.first.tokens <= DECODING.max_new_tokens for prediction in found)


def test_a_decoder_that_does_not_say_how_it_begins_is_refused(checkpoint, tmp_path):
    for file in checkpoint.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((checkpoint / "config.json").read_text())
    del config["decoder_start_token_id"]
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StudyError, match=r"config\.json lacks 'decoder_start_token_id', the token with which"):
        load_base(tmp_path, Quantization("none", double=True, compute_dtype="float32"))
