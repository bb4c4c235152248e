"""The output layer of a model whose embedding has trained tokens and is tied to it."""

from typing import Any

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from peft.utils.other import TrainableTokensWrapper


class TiedOutput:
    """Weights of an output layer of which some rows are trained, as TRL reads them for the loss.

    PEFT's own layer shows those that are not trained there.
    """

    def __init__(self, layer: TrainableTokensLayer) -> None:
        self._layer = layer

    @property
    def weight(self) -> torch.Tensor:
        """The output matrix with its trained rows; shape (vocabulary, hidden size)."""
        merged: torch.Tensor = self._layer.get_merged_weights(self._layer.active_adapters)
        return merged

    @property
    def bias(self) -> torch.Tensor | None:
        """The base layer's; shape (vocabulary,)."""
        found: torch.Tensor | None = self._layer.base_layer.bias
        return found


def show_trained_tokens(model: Any) -> None:
    """Lets a model's output layer show its trained tokens, if it has such.

    Args:
        model: The model of transformers that lies in a model of PEFT.
    """
    output = model.get_output_embeddings()
    layer = output.token_adapter if isinstance(output, TrainableTokensWrapper) else output
    if isinstance(layer, TrainableTokensLayer):
        tied = TiedOutput(layer)
        model.get_output_embeddings = lambda: tied
