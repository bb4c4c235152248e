"""Virtual tokens: packed and batched, each sample's are what PEFT's own model computes for it alone."""

import copy

import peft
import pytest
import torch
from codetune.generation.decoding import decode
from codetune.methods.virtual_tokens import SoftPromptModel
from codetune.models.attention import EACH, register_packed_attention
from codetune.models.context import context_of
from codetune.prompts.tokensets import TokenSample, with_virtual_tokens
from miniatures import batch_of
from peft import PeftModel, PeftModelForCausalLM, set_peft_model_state_dict
from safetensors.torch import load_file
from tiny_models import CONTEXT, CONTEXTS, OTHER, WINDOWS, random_texts, tiny_model
from transformers import GenerationConfig

COUNT = 5
KINDS = {
    "prompt": (peft.PromptTuningConfig, {}),
    "sampled": (peft.PromptTuningConfig, {"prompt_tuning_init": "SAMPLE_VOCAB"}),
    "mlp": (peft.PromptEncoderConfig, {"encoder_hidden_size": 24}),
    "lstm": (peft.PromptEncoderConfig, {"encoder_hidden_size": 24, "encoder_reparameterization_type": "LSTM"}),
    "multitask": (peft.MultitaskPromptTuningConfig, {"num_tasks": 2}),
    "prefix": (peft.PrefixTuningConfig, {}),
    "projection": (peft.PrefixTuningConfig, {"prefix_projection": True, "encoder_hidden_size": 24}),
    "zero": (peft.PrefixTuningConfig, {"init_weights": "zero"}),
    "cartridge": (peft.CartridgeConfig, {"num_frozen_tokens": 2}),
}
# With grouped keys; with windows shorter than the samples, and capped scores; with learned positions.
MODELS = {
    "llama": ("Llama", {}),
    "gemma2": ("Gemma2", {**WINDOWS["gemma2"][1], "tie_word_embeddings": False}),  # tied, it copies its last token
    "mistral": WINDOWS["mistral"],
    "gpt2": ("GPT2", {**OTHER, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256, "eos_token_id": 2}),
}
TEXTS = random_texts([5, 30, 8, 9, 20, 7])
SAMPLES = [TokenSample(number, text[:3], text[3:]) for number, text in enumerate(TEXTS)]
OPTIONS = GenerationConfig(max_new_tokens=12, eos_token_id=[2, 5, 6, 7], pad_token_id=0, do_sample=False)


def soft_prompt(kind, model, cls=PeftModelForCausalLM, count=COUNT):
    """The model with a soft prompt of that kind that was trained a little, the same for the same model."""
    config, settings = KINDS[kind]
    torch.manual_seed(1)
    made = cls(copy.deepcopy(model), config(task_type="CAUSAL_LM", num_virtual_tokens=count, **settings))
    for parameter in made.prompt_encoder.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return made.eval()


def task_of(kind, rows=1):
    """What PEFT's own model must be told beside the tokens."""
    return {"task_ids": torch.zeros(rows, dtype=torch.long)} if kind == "multitask" else {}


def gradients(model):
    return {name: p.grad for name, p in model.prompt_encoder.named_parameters() if p.grad is not None}


def packed_loss(model, count=COUNT):
    """The summed loss of the completions, all in one row."""
    batch = batch_of(with_virtual_tokens(SAMPLES, count), 256)
    labels = batch.pop("labels")[0, 1:]
    log_probs = model(**batch, use_cache=False).logits[0, :-1].log_softmax(-1)
    counted = labels != -100
    return -log_probs[counted].gather(1, labels[counted, None]).sum()


def loss_by_peft(model, kind):
    """The same of each sample alone, by PEFT's own model."""
    total = torch.zeros(())
    for sample in SAMPLES:
        ids = torch.tensor([sample.prompt + sample.completion])
        log_probs = model(input_ids=ids, use_cache=False, **task_of(kind)).logits[0, -len(sample) :].log_softmax(-1)
        total = total - log_probs[:-1].gather(1, ids[0, 1:, None])[len(sample.prompt) - 1 :].sum()
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_packed_losses_and_gradients_are_those_of_peft_for_each_sample_alone(name, kind):
    """The gradient of each trained tensor, the encoder's too."""
    base = tiny_model(*MODELS[name])
    theirs, ours = soft_prompt(kind, base), soft_prompt(kind, base, SoftPromptModel)
    expected = loss_by_peft(theirs, kind)
    expected.backward()
    register_packed_attention()
    ours.set_attn_implementation(EACH)
    found = packed_loss(ours)
    found.backward()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert gradients(ours).keys() == gradients(theirs).keys() != set()
    for key, gradient in gradients(theirs).items():
        assert gradient.norm() > 0
        assert (gradients(ours)[key] - gradient).norm() < 5e-5 * gradient.norm(), key


@pytest.mark.parametrize("name", ["gemma2", "gemma3"])
def test_a_prefix_longer_than_a_window_is_seen_where_layers_have_none(name):
    """PEFT itself leaves its start out in layers with a window."""
    base = tiny_model(*WINDOWS[name])
    theirs, ours = soft_prompt("prefix", base, count=10), soft_prompt("prefix", base, SoftPromptModel, count=10)
    expected = loss_by_peft(theirs, "prefix")
    expected.backward()
    register_packed_attention()
    ours.set_attn_implementation(EACH)
    found = packed_loss(ours, count=10)
    found.backward()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    (one,), (other,) = (gradients(model).values() for model in (ours, theirs))
    assert (one - other).norm() < 5e-5 * other.norm()


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_before_a_packed_row_alone_virtual_tokens_would_be_another_method(kind):
    """Virtual tokens that stand before a row, its samples kept apart, are the first sample's alone."""
    ours = soft_prompt(kind, tiny_model(*MODELS["llama"]), SoftPromptModel)
    register_packed_attention()
    ours.set_attn_implementation(EACH)
    samples = [SAMPLES[1], SAMPLES[3]]  # in this order in the row, too: the longer one first
    rows = [with_virtual_tokens(samples, COUNT), [*with_virtual_tokens(samples[:1], COUNT), samples[1]]]
    with torch.no_grad():
        each, before = (ours(**{**batch_of(row, 256), "labels": None}, use_cache=False).logits[0] for row in rows)
    first = COUNT + len(samples[0])
    torch.testing.assert_close(before[:first], each[:first])
    assert (before[first:] - each[first + COUNT :]).norm() > 0.1 * each[first + COUNT :].norm()


def completions_by_peft(folder, base, kind, texts):
    """Of PEFT's own model, loaded from a folder; of each text alone."""
    model, rows = PeftModel.from_pretrained(copy.deepcopy(base), str(folder)).eval(), []
    for text in texts:
        ids = torch.tensor([text])
        given = {"attention_mask": torch.ones_like(ids), "generation_config": OPTIONS, **task_of(kind)}
        rows.append(model.generate(input_ids=ids, **given)[0, len(text) :].tolist())
    return rows


def for_decoding(folder, base):
    config = peft.PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    model = SoftPromptModel(copy.deepcopy(base), config).eval()
    set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_decoded_as_peft_decodes_each_prompt_alone(tmp_path, name, kind):
    base = tiny_model(*MODELS[name])
    soft_prompt(kind, base).save_pretrained(str(tmp_path))
    prompts = [sample.prompt for sample in with_virtual_tokens([TokenSample(0, text, []) for text in TEXTS], COUNT)]
    model = for_decoding(tmp_path, base)
    found = decode(model, prompts, OPTIONS, context_of(model.config))
    assert found == completions_by_peft(tmp_path, base, kind, TEXTS)
    assert found != decode(base, TEXTS, OPTIONS, context_of(model.config))


def test_in_a_padded_batch_of_peft_padding_comes_between_virtual_tokens_and_prompt(tmp_path):
    """That is why prompts are decoded here in another way: its completions depend on the other prompts of a batch."""
    base = tiny_model(*MODELS["llama"])
    soft_prompt("prompt", base).save_pretrained(str(tmp_path))
    model, width = PeftModel.from_pretrained(copy.deepcopy(base), str(tmp_path)).eval(), max(map(len, TEXTS))
    ids = torch.tensor([[0] * (width - len(text)) + text for text in TEXTS])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in TEXTS])
    rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=OPTIONS)[:, width:].tolist()
    alone = completions_by_peft(tmp_path, base, "prompt", TEXTS)
    assert [row[: len(one)] == one for row, one in zip(rows, alone, strict=True)].count(False) > 2


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_virtual_tokens_count_towards_the_context(tmp_path, kind):
    """With learned positions there are no others."""
    base = tiny_model(*CONTEXTS["learned"])
    soft_prompt(kind, base).save_pretrained(str(tmp_path))
    model, lengths = for_decoding(tmp_path, base), [10, 20, 26, 27, 28, 40]
    prompts = [[*range(-COUNT, 0), *text] for text in random_texts(lengths)]
    options = GenerationConfig(max_new_tokens=16, eos_token_id=[2], pad_token_id=0)
    found = decode(model, prompts, options, context_of(model.config))
    assert [len(new) for new in found] == [16, CONTEXT - 25, 1, 0, 0, 0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("prefix", "projection", "zero", "cartridge")])
def test_gradient_checkpointing_changes_no_gradient(kind):
    base = tiny_model(*MODELS["llama"])
    register_packed_attention()
    found = []
    for again in (False, True):
        model = soft_prompt(kind, base, SoftPromptModel).train()
        model.set_attn_implementation(EACH)
        if again:
            model.enable_input_require_grads()
            model.base_model.gradient_checkpointing_enable()
        packed_loss(model).backward()
        found.append(gradients(model))
    for key, gradient in found[0].items():
        torch.testing.assert_close(found[1][key], gradient, rtol=1e-5, atol=1e-7)
