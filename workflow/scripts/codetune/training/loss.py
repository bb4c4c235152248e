"""The loss on a CPU: few rows of logits at a time, and the gradient from the same pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

ROWS = 128  # of logits that are in memory at once: they stay in the processor's cache


class RowwiseLogProbs(torch.autograd.Function):  # type: ignore[misc]
    """Takes the place of TRL's ChunkedLogProbFunction, whose tiles of 4,096 x 32,768 logits suit GPUs.

    TRL computes the logits a second time for the gradient. Here, where the output layer is frozen, the gradient of each
    log-probability follows at once from the logits at hand; what the loss later multiplies it with is one number per
    token. The gradient of a trained output matrix is a sum over tokens, each with its number, so that its logits are
    computed again, too. The entropy, which TRL logs and nothing here reads, is not computed: it is 0.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        _chunk_size: int,
        softcap: float | None,
        logit_scale: float,
        _outputs: tuple[str, ...],
    ) -> tuple[torch.Tensor, torch.Tensor, None, None, torch.Tensor]:
        """Computes the log-probability of each target, and whether it is the likeliest token.

        Args:
            ctx: Keeps the gradient.
            hidden: Last hidden states; shape (tokens, hidden size).
            weight: The output matrix; shape (vocabulary, hidden size).
            bias: Of the output layer; shape (vocabulary,).
            targets: Token ids; shape (tokens,).
            temperature: Divisor of the logits.
            softcap: Bound of the logits (Gemma 2).
            logit_scale: Factor of the logits before that.
        """
        head = _Head(*_computed_in(weight, bias), temperature, softcap, logit_scale)
        log_probs = hidden.new_empty(len(hidden), dtype=torch.float32)
        is_top = torch.empty(len(hidden), dtype=torch.bool)
        ctx.head, ctx.trains_head = head, any(ctx.needs_input_grad[1:3])
        at_once = ctx.needs_input_grad[0] and not ctx.trains_head
        gradient = torch.empty_like(hidden, dtype=head.weight.dtype) if at_once else None
        for rows in _rows(hidden):
            chosen = targets[rows, None]
            logits, slope = head.logits_of(hidden[rows])
            highest, likeliest = logits.max(-1, keepdim=True)
            is_top[rows] = (likeliest == chosen)[:, 0]
            log_probs[rows] = (logits.gather(1, chosen) - highest)[:, 0]
            weights = logits.sub_(highest).exp_()
            total = weights.sum(-1, keepdim=True)  # more exact than torch's log_softmax: 3e-6 instead of 2e-5 nats
            log_probs[rows] -= total.log()[:, 0]
            if gradient is not None:
                difference = _difference(weights, total, chosen, slope)
                torch.mm(difference.to(head.weight.dtype), head.weight, out=gradient[rows])
        ctx.save_for_backward(*((hidden, weight, bias, targets) if ctx.trains_head else (gradient,)))
        entropy = torch.zeros_like(log_probs)
        ctx.mark_non_differentiable(entropy, is_top)
        return log_probs, entropy, None, None, is_top

    @staticmethod
    def backward(ctx: Any, by_log_prob: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        """Multiplies the gradient of each log-probability with that of the loss by it."""
        if ctx.trains_head:
            hidden, weight, bias, targets = ctx.saved_tensors
            return (*_all_gradients(ctx.head, hidden, weight, bias, targets, by_log_prob), *[None] * 6)
        (gradient,) = ctx.saved_tensors
        return (gradient * by_log_prob[:, None], *[None] * 8)


@dataclass(frozen=True)
class _Head:
    """An output layer, with what is done to its logits."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    temperature: float
    softcap: float | None
    scale: float

    def logits_of(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float | None]:
        """Logits of some tokens in fp32, and their derivative by what the matrix gives; None for 1."""
        logits = torch.nn.functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias).float()
        return logits, _scale(logits, self.scale, self.softcap, self.temperature)


def _computed_in(weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The output layer in the type in which it is multiplied: autocast's, for one that is trained in fp32."""
    if not torch.is_autocast_enabled("cpu"):
        return weight, bias
    dtype = torch.get_autocast_dtype("cpu")
    return weight.to(dtype), None if bias is None else bias.to(dtype)


def _rows(hidden: torch.Tensor) -> Iterator[slice]:
    """The tokens of which logits are in memory at once."""
    return (slice(start, start + ROWS) for start in range(0, len(hidden), ROWS))


def _difference(
    weights: torch.Tensor, total: torch.Tensor, chosen: torch.Tensor, slope: torch.Tensor | float | None
) -> torch.Tensor:
    """Gradient of each log-probability by what the matrix gives: 1 for the target, less the probabilities; in place."""
    difference = weights.div_(-total).scatter_add_(1, chosen, torch.ones_like(total))
    return difference if slope is None else difference.mul_(slope)


def _all_gradients(
    head: _Head,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    by_log_prob: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Gradients of the loss by hidden states, output matrix and bias; those of the layer are summed in fp32."""
    by_hidden = torch.empty_like(hidden)
    by_weight = torch.zeros_like(weight, dtype=torch.float32)
    by_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
    for rows in _rows(hidden):
        logits, slope = head.logits_of(hidden[rows])
        weights = logits.sub_(logits.max(-1, keepdim=True).values).exp_()
        difference = _difference(weights, weights.sum(-1, keepdim=True), targets[rows, None], slope)
        by_logits = difference.mul_(by_log_prob[rows, None])
        by_hidden[rows] = (by_logits.to(head.weight.dtype) @ head.weight).to(hidden.dtype)
        by_weight.addmm_(by_logits.t(), hidden[rows].float())
        if by_bias is not None:
            by_bias += by_logits.sum(0)
    return by_hidden, by_weight.to(weight.dtype), None if by_bias is None or bias is None else by_bias.to(bias.dtype)


def _scale(
    logits: torch.Tensor, scale: float, softcap: float | None, temperature: float
) -> torch.Tensor | float | None:
    """Scales and caps logits in place; returns their derivative by what they were, None for 1."""
    if softcap is None:
        if scale == temperature:
            return None
        logits.mul_(scale / temperature)
        return scale / temperature
    capped = logits.mul_(scale / softcap).tanh_()
    slope = (1 - capped * capped) * (scale / temperature)
    logits.mul_(softcap / temperature)
    return slope


def use_rowwise_loss() -> None:
    """Makes TRL 1.16.0 compute the loss in this way."""
    import trl.trainer.utils

    trl.trainer.utils._ChunkedLogProbFunction = RowwiseLogProbs
