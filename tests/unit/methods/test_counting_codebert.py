"""Parameters of CodeBERT with a fresh decoder: counted on a model without weights, and worked out from the shapes."""

from codetune.methods.counting import count_parameters
from codetune.study.method import TuningSettings
from tiny_roberta import CODEBERT

PUBLISHED = 124_645_632  # parameters of microsoft/codebert-base, its pooler included


def linear(inputs, outputs):
    return inputs * outputs + outputs


def worked_out(words, positions, width, inner, layers, decoder_layers):
    """Parameters of the encoder, and of what the decoder adds: layers, the head before the output, and its bias."""
    norm = 2 * width
    attention = 4 * linear(width, width) + norm
    layer = attention + linear(width, inner) + linear(inner, width) + norm
    encoder = (words + positions + 1) * width + norm + layers * layer
    return encoder, decoder_layers * (layer + attention) + linear(width, width) + norm + words


def test_encoder_and_decoder_are_counted_and_all_of_them_are_trained():
    encoder, decoder = worked_out(50265, 514, 768, 3072, 12, 6)
    assert encoder + linear(768, 768) == PUBLISHED
    found = count_parameters(CODEBERT, TuningSettings("full"))
    assert found.total == found.trainable == encoder + decoder == 181_408_089


def test_a_miniature_has_a_decoder_of_as_many_layers_as_its_encoder():
    found = count_parameters(CODEBERT | {"num_hidden_layers": 2}, TuningSettings("full"))
    assert found.total == sum(worked_out(50265, 514, 768, 3072, 2, 2))
