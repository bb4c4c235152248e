"""A trial of the loss: what is trained is what the model says."""

from typing import Any

import torch

from codetune.base.errors import StudyError
from codetune.models.device import computing_in, device, evaluating
from codetune.prompts.tokensets import TokenSample
from codetune.training.batches import IGNORED, collate, pack_samples, select_sequences

ROUNDING = 0.2  # most that the log-probabilities may differ, relative to their norm; another head changes them by 0.4
LEAST = 1.0  # nats per token that the norm counts as at least: of a model that is certain of a text it is 0


def try_loss(model: Any, samples: list[TokenSample], dtype: torch.dtype | None = None) -> None:
    """Compares the log-probabilities that TRL computes for the loss with those of the model's own logits.

    TRL multiplies the last hidden states by the output matrix itself, and knows caps and factors of many architectures,
    but not a head with layers of its own (ModernBERT's decoder).

    Args:
        model: The model in its trainer, which computes log-probabilities where it is asked for `fused_lm_head`.
        samples: The training samples.
        dtype: The compute type, if it is not that of the weights.

    Raises:
        StudyError: They differ by more than rounding.
    """
    sample = min(samples, key=len)
    row = collate(list(pack_samples([sample], len(sample))))
    row |= {name: value.to(device()) for name, value in row.items() if isinstance(value, torch.Tensor)}
    batch = select_sequences(row, slice(0, None))
    labels = batch.pop("labels")
    with evaluating(model), torch.no_grad(), computing_in(dtype or model.dtype, model):
        found = model(**batch, labels=labels, fused_lm_head=True, use_cache=False).log_probs[0].float()
        expected = model(**batch, use_cache=False).logits[0, :-1].float().log_softmax(-1)
    labels = labels[0, 1:]
    counted = labels != IGNORED
    expected = expected[counted].gather(1, labels[counted, None])[:, 0]
    norm = expected.norm().clamp(min=LEAST * len(expected) ** 0.5)
    difference = ((found[counted] - expected).norm() / norm).item()
    print(f"the loss differs by {difference:.1e} from that of the logits (relative)", flush=True)
    if not difference < ROUNDING:
        raise StudyError(
            f"{model.config.name_or_path}: the loss in training differs by {difference:.1e} from that of this model's "
            "logits (relative). Take this model out of the runs that fine-tune."
        )
