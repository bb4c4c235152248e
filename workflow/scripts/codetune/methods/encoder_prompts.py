"""An encoder-decoder with a soft prompt."""

from typing import Any

import torch
from peft import PeftModelForSeq2SeqLM
from torch.nn.functional import pad


class EncoderPromptModel(PeftModelForSeq2SeqLM):  # type: ignore[misc]
    """PEFT's model for soft prompts of encoder-decoders, which can also be decoded token by token.

    Embeddings (prompt tuning, p-tuning) stand before the input of the encoder; the same number for the decoder is
    declared, counted and saved, but PEFT 0.21.2 computes nothing with it. Keys and values (prefix tuning) stand before
    what the decoder has written. Prompts are padded on the right, so nothing comes between these and a text.
    """

    def forward(
        self, input_ids: Any = None, attention_mask: Any = None, encoder_outputs: Any = None, **inputs: Any
    ) -> Any:
        """Computes what PEFT's model does; once the encoder has read its input, that is the base model's next token.

        Args:
            input_ids: The input of the encoder; shape (rows, tokens). None once it has read it.
            attention_mask: Of the input, without its virtual tokens; shape as of `input_ids`.
            encoder_outputs: What the encoder computed, with its virtual tokens; None before it has read its input.
            inputs: Further inputs of the base model.
        """
        if encoder_outputs is None:
            return super().forward(input_ids=input_ids, attention_mask=attention_mask, **inputs)
        virtual = encoder_outputs[0].shape[1] - attention_mask.shape[1]
        mask = pad(attention_mask, (virtual, 0), value=1)
        return self.base_model(encoder_outputs=encoder_outputs, attention_mask=mask, **inputs)

    def get_prompt(self, *arguments: Any, **options: Any) -> Any:
        """What is trained, computed as PEFT saves it: without autocast."""
        with torch.autocast(self.device.type, enabled=False):
            return super().get_prompt(*arguments, **options)
