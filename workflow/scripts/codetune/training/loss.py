"""The loss on a CPU: few rows of logits at a time, and the gradient from the same pass."""

from typing import Any

import torch

ROWS = 128  # of logits that are in memory at once: they stay in the processor's cache


class RowwiseLogProbs(torch.autograd.Function):  # type: ignore[misc]
    """Takes the place of TRL's ChunkedLogProbFunction, whose tiles of 4,096 x 32,768 logits suit GPUs.

    TRL computes the logits a second time for the gradient. Here the gradient of each log-probability follows at once
    from the logits at hand; what the loss later multiplies it with is one number per token. The entropy, which TRL
    logs and nothing here reads, is not computed: it is 0.
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
            weight: The frozen output matrix; shape (vocabulary, hidden size).
            bias: Of the output layer; shape (vocabulary,).
            targets: Token ids; shape (tokens,).
            temperature: Divisor of the logits.
            softcap: Bound of the logits (Gemma 2).
            logit_scale: Factor of the logits before that.
        """
        log_probs = hidden.new_empty(len(hidden), dtype=torch.float32)
        is_top = torch.empty(len(hidden), dtype=torch.bool)
        gradient = torch.empty_like(hidden, dtype=weight.dtype) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), ROWS):
            rows = slice(start, start + ROWS)
            chosen = targets[rows, None]
            logits = torch.nn.functional.linear(hidden[rows].to(weight.dtype), weight, bias).float()
            slope = _scale(logits, logit_scale, softcap, temperature)
            highest, likeliest = logits.max(-1, keepdim=True)
            is_top[rows] = (likeliest == chosen)[:, 0]
            log_probs[rows] = (logits.gather(1, chosen) - highest)[:, 0]
            weights = logits.sub_(highest).exp_()
            total = weights.sum(-1, keepdim=True)  # more exact than torch's log_softmax: 3e-6 instead of 2e-5 nats
            log_probs[rows] -= total.log()[:, 0]
            if gradient is not None:
                difference = weights.div_(-total).scatter_add_(1, chosen, torch.ones_like(total))
                if slope is not None:
                    difference.mul_(slope)
                torch.mm(difference.to(weight.dtype), weight, out=gradient[rows])
        ctx.save_for_backward(gradient)
        entropy = torch.zeros_like(log_probs)
        ctx.mark_non_differentiable(entropy, is_top)
        return log_probs, entropy, None, None, is_top

    @staticmethod
    def backward(ctx: Any, by_log_prob: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        """Multiplies the gradient of each log-probability with that of the loss by it."""
        (gradient,) = ctx.saved_tensors
        return (gradient * by_log_prob[:, None], *[None] * 8)


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
