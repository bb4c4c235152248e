"""Tokens per second of greedy decoding: by the study, and by `model.generate` as a user calls it."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from generation import DECODING, END, LIMIT, up_to_end, with_ends
from gpu.limits import seconds_of
from gpu.weights import checkpoint, free, shape_of
from subjects import LORA, draw_samples, make_tokenizer, quantization

# isort: split

from codetune.generation.batches import make_batches
from codetune.generation.decoding import decode, greedy_config
from codetune.generation.loading import load_for_decoding
from codetune.methods.adapters import load_adapter
from codetune.methods.peft_config import peft_config
from codetune.models.caches import cache_bytes
from codetune.models.device import device, set_determinism

PEER_BATCH = 8  # prompts
PEER_SECONDS = 12.0  # after which no further batch of the peer begins
PROMPTS, PROMPTS_IN_SMALL = 256, 16
PROMPT, STEPS = 59, 32  # tokens of a prompt and of its completion, where steps are timed


@dataclass(frozen=True)
class Written:
    """What one way wrote.

    Attributes:
        completions: Token ids, by the number of the prompt.
        seconds: That it took.
    """

    completions: dict[int, list[int]]
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return sum(map(len, self.completions.values())) / self.seconds


@dataclass(frozen=True)
class Step:
    """One decoding step.

    Attributes:
        seconds: That it takes.
        bytes: Of weights, keys and values, which it reads once.
    """

    seconds: float
    bytes: float


class Decodings:
    """The ways to decode with one model, which has a random adapter."""

    def __init__(self, name: str, small: bool) -> None:
        """Draws prompts for a model.

        Args:
            name: Of the model.
            small: Whether its architecture is made small.
        """
        self._shape, self._peer_seconds = shape_of(name, small), 0.0 if small else PEER_SECONDS
        self._prompts = draw_samples(PROMPTS_IN_SMALL if small else PROMPTS, self._shape["vocab_size"])
        self._folder = tempfile.TemporaryDirectory()
        self._adapter = Path(self._folder.name) / "adapter"

    def by_generate(self) -> Written:
        """Decodes batches of 8 in the order of the prompts, in 4 bits, until time is over; writes the adapter first."""
        torch.use_deterministic_algorithms(False)
        model = load_adapter(with_ends(self._base_after_writing_the_adapter()), self._adapter)
        tokenizer = make_tokenizer()
        free()

        def complete(first: int, limit: int) -> list[list[int]]:
            ids = {"input_ids": [prompt.prompt for prompt in self._prompts[first : first + PEER_BATCH]]}
            batch = tokenizer.pad(ids, padding_side="left", return_tensors="pt").to(device())
            output = model.generate(**batch, generation_config=greedy_config(model, limit, [END]))
            return [up_to_end(row, [END]) for row in output[:, batch["input_ids"].shape[1] :].tolist()]

        complete(0, 2)  # loads kernels
        done: dict[int, list[int]] = {}
        began = time.perf_counter()
        while len(done) < len(self._prompts) and (not done or time.perf_counter() - began < self._peer_seconds):
            first = len(done)
            done |= dict(enumerate(complete(first, LIMIT), start=first))
        return Written(done, time.perf_counter() - began)

    def _base_after_writing_the_adapter(self) -> Any:
        """The base model in 4 bits, of which the adapter was written and then taken off again."""
        from peft import get_peft_model

        torch.manual_seed(0)
        base = checkpoint(self._shape, quantization()).load()
        config = peft_config(LORA.peft)
        config.init_lora_weights = False
        adapted = get_peft_model(base, config)
        adapted.save_pretrained(str(self._adapter))
        return adapted.unload()

    def load(self) -> Any:
        """The model as the study decodes with it."""
        set_determinism(0)
        model = load_adapter(load_for_decoding(checkpoint(self._shape, quantization()), DECODING), self._adapter)
        free()
        return model

    def by_the_study(self, model: Any) -> Written:
        """Decodes all prompts as the study does, with completions that end at random."""
        options = greedy_config(with_ends(model), LIMIT, [END])
        room = int(DECODING.cache_gb * 1e9) // cache_bytes(model.config, model.dtype.itemsize)
        decode(model, [self._prompts[0].prompt], greedy_config(model, 2, [END]))  # loads kernels
        done: dict[int, list[int]] = {}
        began = time.perf_counter()
        for batch in make_batches(self._prompts, DECODING, room):
            rows = decode(model, [self._prompts[index].prompt for index in batch], options)
            done |= dict(zip(batch, rows, strict=True))
        seconds = time.perf_counter() - began
        del model.forward  # from here on they do not end
        return Written(done, seconds)

    def step(self, model: Any, rows: int) -> Step:
        """Times a decoding step with so many sequences, none of which ends."""
        prompts = [[3 + (row + place) % 200 for place in range(PROMPT)] for row in range(rows)]

        def seconds(new: int) -> float:
            options = greedy_config(model, new, stops=[])
            return min(seconds_of(lambda: decode(model, prompts, options)) for _ in range(2))

        seconds(2)  # loads kernels
        a_step = (seconds(STEPS) - seconds(2)) / (STEPS - 2)
        tokens = PROMPT + STEPS / 2
        held = rows * tokens * cache_bytes(model.config, model.dtype.itemsize)
        return Step(a_step, self._bytes_read(model) + held)

    def _bytes_read(self, model: Any) -> int:
        """Bytes of the weights that a step reads: of an embedding that is no output layer it looks up one row each."""
        weights = {id(parameter): parameter for parameter in model.parameters()}
        if not self._shape.get("tie_word_embeddings"):
            weights.pop(id(model.get_input_embeddings().weight))
        return sum(parameter.numel() * parameter.element_size() for parameter in weights.values())
