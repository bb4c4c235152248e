"""Parameters of encoder-decoders, held against what a study of CodeT5+ publishes of its methods."""

import pytest
from codetune.methods.counting import count_parameters
from codetune.study.method import TuningSettings
from tiny_t5 import CODET5P

QKV = ["q", "k", "v"]
TUNINGS = {
    "lora": {"type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": QKV},
    "ia3": {"type": "IA3", "target_modules": [*QKV, "wi", "wo"], "feedforward_modules": ["wi", "wo"]},
    "prompt": {"type": "PROMPT_TUNING", "num_virtual_tokens": 20},
    "prefix": {"type": "PREFIX_TUNING", "num_virtual_tokens": 10},
}
# Trainable parameters of Table 3, worked out from the shapes; "total" is that of the published checkpoint.
PUBLISHED = {
    "220m": {"total": 222_882_048, "lora": 2_654_208, "ia3": 175_104, "prompt": 30_720, "prefix": 184_320},
    "770m": {"total": 737_639_424, "lora": 7_077_888, "ia3": 466_944, "prompt": 40_960, "prefix": 491_520},
}


@pytest.mark.parametrize("size", sorted(PUBLISHED))
def test_an_encoder_decoder_has_as_many_parameters_as_published(size):
    full = count_parameters(CODET5P[size], TuningSettings("full"))
    assert full.trainable == full.total == PUBLISHED[size]["total"]


@pytest.mark.parametrize("size", sorted(PUBLISHED))
@pytest.mark.parametrize("method", sorted(TUNINGS))
def test_a_method_trains_as_many_parameters_of_it_as_published(size, method):
    found = count_parameters(CODET5P[size], TuningSettings("peft", TUNINGS[method]))
    assert found.trainable == PUBLISHED[size][method]
    assert found.total - found.trainable == PUBLISHED[size]["total"]


def test_roles_stand_for_the_layers_of_both_halves():
    """Attention within each half and from the decoder to the encoder, and the feed-forward networks of both."""
    sizes = CODET5P["220m"] | {"num_layers": 2, "num_decoder_layers": 3}
    named = {role: {"type": "LORA", "r": 1, "target_modules": role} for role in ("attention", "mlp")}
    found = {role: count_parameters(sizes, TuningSettings("peft", peft)).trainable for role, peft in named.items()}
    assert found == {"attention": (2 + 2 * 3) * 4 * (768 + 768), "mlp": (2 + 3) * 2 * (768 + 3072)}
    gated = count_parameters(sizes | {"feed_forward_proj": "gated-gelu"}, TuningSettings("peft", named["mlp"]))
    assert gated.trainable == (2 + 3) * 3 * (768 + 3072)
