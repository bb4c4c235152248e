"""An encoder-decoder while it writes: what its encoder has read, and the cache of its decoder."""

from typing import Any

import torch

from codetune.models.device import device

PADDING = 0  # no token attends to padding, so any id will do


class EncoderDecoderReading:
    """Prompts that an encoder has read, and rows of tokens that a decoder goes on with (see `Reading`).

    Prompts are padded on the right: between the virtual tokens of a soft prompt and a text lies no padding. What the
    decoder has written has one length in all rows, and no padding.

    Attributes:
        logits: Of the next token of each row; shape (rows, vocabulary).
        length: 0: prompts and what is written share no context.
    """

    length = 0

    def __init__(self, model: Any, prompts: list[list[int]], copies: int = 1) -> None:
        """Reads prompts, and the token with which the decoder begins.

        Args:
            model: An encoder-decoder of transformers, or PEFT's model of one.
            prompts: Token ids.
            copies: Number of rows of each prompt, which follow one another.
        """
        width = max(map(len, prompts))
        ids = [prompt + [PADDING] * (width - len(prompt)) for prompt in prompts]
        mask = [[1] * len(prompt) + [0] * (width - len(prompt)) for prompt in prompts]
        self._model, self._mask = model, torch.tensor(mask, device=device())
        start = torch.full((len(prompts), 1), model.config.decoder_start_token_id, device=device())
        output = model(
            input_ids=torch.tensor(ids, device=device()),
            attention_mask=self._mask,
            decoder_input_ids=start,
            use_cache=True,
        )
        self.logits: torch.Tensor = output.logits[:, -1]
        self._cache, self._encoded = output.past_key_values, output.encoder_last_hidden_state
        if copies > 1:
            rows = torch.arange(len(prompts), device=device()).repeat_interleave(copies)
            self.logits = self.logits[rows]
            self.keep(rows, 0)

    def keep(self, rows: torch.Tensor, _start: int) -> None:
        """Makes rows those at some places, which may come several times; of the prompts all tokens are kept."""
        self._cache.batch_select_indices(rows)
        self._mask, self._encoded = self._mask[rows], self._encoded[rows]

    def read(self, tokens: torch.Tensor) -> None:
        """Reads one more token of each row; the logits are then those of the next one.

        Args:
            tokens: Shape (rows,).
        """
        output = self._model(
            encoder_outputs=(self._encoded,),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self.logits = output.logits[:, -1]
