"""The loss of an encoder-decoder: log-probabilities of its targets, in the place of TRL's for a decoder alone."""

from types import MethodType
from typing import Any

import torch
from trl.trainer.utils import FusedCausalLMOutput

from codetune.training.batches import IGNORED


def score_targets(model: Any) -> None:
    """Makes a model give the log-probabilities of its targets where TRL's trainer asks for them (`fused_lm_head`).

    TRL's own way shifts labels by one token, and multiplies by the output matrix itself. Here the model shifts labels
    to the right for its decoder, as its own loss does, and logits are its own.

    Args:
        model: An encoder-decoder of transformers, in its trainer.
    """
    original = model.forward

    def forward(self: Any, fused_lm_head: bool = False, labels: torch.Tensor | None = None, **inputs: Any) -> Any:
        if not fused_lm_head or labels is None:
            return original(labels=labels, **inputs)
        inputs["decoder_input_ids"] = self.prepare_decoder_input_ids_from_labels(labels)
        return _scores(original(**inputs).logits, labels)

    model.forward = MethodType(forward, model)


def _scores(logits: torch.Tensor, labels: torch.Tensor) -> FusedCausalLMOutput:
    """Log-probabilities of the targets, 0 where there is none.

    Args:
        logits: Shape (rows, tokens, vocabulary).
        labels: Ids of the targets, each at the place of its logits; shape (rows, tokens).
    """
    mask = labels != IGNORED
    chosen = labels[mask][:, None]
    log_probs = logits[mask].float().log_softmax(-1)
    zeros = log_probs.new_zeros(labels.shape)
    return FusedCausalLMOutput(
        log_probs=zeros.masked_scatter(mask, log_probs.gather(1, chosen)[:, 0]),
        label_mask=mask,
        is_top1=torch.zeros_like(mask).masked_scatter(mask, log_probs.argmax(-1) == chosen[:, 0]),
        entropy=zeros,  # TRL logs it, and nothing here reads it
    )
