"""What PEFT computes of soft prompts on an encoder-decoder: less than it trains, as docs/extending.md says."""

import pytest
import torch
from codetune.methods.tuning import make_tuning
from codetune.models.loading import load_base
from codetune.study.method import TuningSettings
from codetune.study.model import Source
from miniatures import WHOLE
from tiny_t5 import SIZES, build_t5

COUNT = 5


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """Which numbers of each soft prompt have a gradient, by its type."""
    checkpoint, found = build_t5(tmp_path_factory.mktemp("t5") / "t5", steps=0), {}
    for kind in ("PROMPT_TUNING", "PREFIX_TUNING"):
        tuning = make_tuning(TuningSettings("peft", {"type": kind, "num_virtual_tokens": COUNT}))
        model = tuning.attach(load_base(checkpoint, WHOLE), Source(path="somewhere"), 10)
        model(input_ids=torch.tensor([[5, 6, 7]]), labels=torch.tensor([[8, 9, 2]])).loss.backward()
        (parameter,) = (one for one in model.parameters() if one.requires_grad)
        found[kind] = parameter.grad != 0
    return found


def test_virtual_tokens_stand_before_the_encoder_s_input_alone(gradients):
    """Of the embeddings, those for the decoder are trained by nothing."""
    embeddings = gradients["PROMPT_TUNING"]
    assert embeddings.shape == (2 * COUNT, SIZES["d_model"])
    assert embeddings[:COUNT].any(dim=1).all()
    assert not embeddings[COUNT:].any()


def test_half_of_a_prefix_is_used_and_twice(gradients):
    """PEFT halves what it has for the decoder's layers between its own attention and that to the encoder."""
    layers, width = SIZES["num_decoder_layers"], SIZES["d_model"]
    prefix = gradients["PREFIX_TUNING"]
    assert prefix.shape == (COUNT, 2 * layers * width)
    used = prefix.view(COUNT, 2 * layers, width).any(dim=(0, 2))
    assert used.tolist() == [True, True, False, False] * (layers // 2)
