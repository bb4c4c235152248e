"""A model with a soft prompt: each sample of a packed row, and each prompt of a batch, has its own virtual tokens."""

from typing import Any

import torch
from peft import PeftModelForCausalLM, PeftType
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer

KEYS_AND_VALUES = (PeftType.PREFIX_TUNING, PeftType.CARTRIDGE)  # of each layer are trained, and not embeddings
Places = tuple[torch.Tensor, ...]  # row and column of each virtual token; those of a sample one after the other


class SoftPromptModel(PeftModelForCausalLM):  # type: ignore[misc]
    """PEFT's model for soft prompts, which computes virtual tokens where the ids have them.

    PEFT itself puts the virtual tokens before a whole row: before a packed row only its first sample would have them,
    and in a padded batch the padding would come between them and the prompt. Here `count` virtual tokens have the ids
    -count to -1, in this order, and stand in the row like any other token. So positions, windows, packing, the length
    of a row and the cache count them with no word about them elsewhere.

    Where embeddings are trained, they take the place of these tokens' embeddings. Where keys and values are trained
    (prefix tuning), they take the place of those that each layer computes for these tokens. What a layer puts out at
    these places reaches no other token, since a token reaches another through its keys and values alone.
    """

    def forward(self, input_ids: torch.Tensor, past_key_values: Any = None, **inputs: Any) -> Any:
        """Computes what the base model does, with the soft prompt at the places of negative ids.

        Args:
            input_ids: Shape (rows, tokens).
            past_key_values: A cache; once it holds tokens, no virtual token follows.
            inputs: Further inputs of the base model.
        """
        past = past_key_values
        if (past is not None and past.get_seq_length()) or not (input_ids < 0).any():
            return self.base_model(input_ids=input_ids, past_key_values=past, **inputs)
        places, ids = (input_ids < 0).nonzero(as_tuple=True), input_ids.clamp(min=0)
        if self.active_peft_config.peft_type in KEYS_AND_VALUES:
            return self.base_model(input_ids=ids, past_key_values=self._prefixed(past, places), **inputs)
        embedded = _put(self.get_input_embeddings()(ids), self.soft_prompt()[0], places)
        return self.base_model(inputs_embeds=embedded, past_key_values=past, **inputs)

    def soft_prompt(self) -> Any:
        """What is trained, as PEFT gives it to the base model for one row.

        Without autocast, the encoder computes here what PEFT saves of it.

        Returns:
            Embeddings of shape (1, virtual tokens, hidden size); of a prefix a cache, with keys and values of shape (1,
            key-value heads, virtual tokens, head size) in each layer.
        """
        with torch.autocast(self.device.type, enabled=False):
            return self.get_prompt(batch_size=1, task_ids=torch.zeros(1, dtype=torch.long, device=self.device))

    def _prefixed(self, cache: Any, places: Places) -> "_PrefixedCache":
        """A cache in which the prefix takes its places; without one, of a text that is computed at once."""
        prefix = self.soft_prompt().layers
        layers = cache.layers if cache is not None else [_PassingLayer() for _ in prefix]
        return _PrefixedCache(layers, prefix, self.active_peft_config.num_virtual_tokens, places)


def _put(states: torch.Tensor, soft: torch.Tensor, places: Places) -> torch.Tensor:
    """Puts the states of virtual tokens in the place of others.

    Args:
        states: Shape (rows, tokens, ...).
        soft: Of the virtual tokens of one sample; shape (virtual tokens, ...).
        places: Those of all samples.
    """
    samples = len(places[0]) // len(soft)
    # Each sample gets its own copy, so that their gradients are summed in one order (an indexed sum has none on a GPU).
    copies = soft.to(states.dtype).expand(samples, *soft.shape).flatten(0, 1)
    return states.index_put(places, copies)


class _PassingLayer(DynamicLayer):  # type: ignore[misc]
    """A layer of a cache that keeps nothing, for a text that is computed at once."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives back what it is given."""
        return key_states, value_states


class _PrefixedCache(Cache):  # type: ignore[misc]
    """A cache in which a prefix takes the place of the keys and values of virtual tokens.

    Attributes:
        prefix: The prefix of each layer, keys and values of shape (1, key-value heads, virtual tokens, head size).
        count: Number of virtual tokens of a sample.
        places: Where the virtual tokens stand.
    """

    def __init__(self, layers: list[Any], prefix: list[Any], count: int, places: Places) -> None:
        super().__init__(layers=layers)
        self.prefix, self.count, self.places = prefix, count, places

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *arguments: Any, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes keys and values of shape (rows, key-value heads, tokens, head size), and gives them with the prefix."""
        prefix = self.prefix[layer_idx]
        keys, values = (
            _put(states.transpose(1, 2), self._whole(soft[0]).transpose(0, 1), self.places).transpose(1, 2)
            for states, soft in ((key_states, prefix.keys), (value_states, prefix.values))
        )
        found: tuple[torch.Tensor, torch.Tensor] = super().update(keys, values, layer_idx, *arguments, **options)
        return found

    def _whole(self, soft: torch.Tensor) -> torch.Tensor:
        """Fills up what PEFT has left out of a prefix longer than a layer's window, which no token of a text sees."""
        return pad(soft, (0, 0, self.count - soft.shape[1], 0))
