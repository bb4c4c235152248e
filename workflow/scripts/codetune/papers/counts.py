"""How many parameters ways of tuning train, from the shapes that a paper's file gives of models: no weights are needed.

LoRA of a matrix with k inputs and d outputs has r (k + d) parameters (Hu et al. 2022, section 4.1), IA3 one per scaled
output, or input in the MLP (Liu et al. 2022, section 3.3), a prefix two vectors per token and layer (Li and Liang 2021,
section 4.3) and a prompt one vector per token (Lester et al. 2021, section 2).
"""

from dataclasses import dataclass
from typing import Any, Literal

Matrix = tuple[int, int]  # numbers of inputs and outputs


@dataclass(frozen=True)
class Shape:
    """The shape of a transformer.

    Attributes:
        kind: `fused`: query, key and value are one matrix (GPT-2, CodeGen); `gated`: three, and an MLP of three
            matrices (Llama, Mistral); `encoder-decoder`: three, with as many encoder as decoder layers (T5).
        layers: Number of layers, of an encoder-decoder those of each half.
        width: Of the hidden states.
        mlp: Width of the MLP.
        keys: Width of keys and values; that of the hidden states if it is not given.
    """

    kind: Literal["fused", "gated", "encoder-decoder"]
    layers: int
    width: int
    mlp: int
    keys: int | None = None

    @property
    def attention(self) -> list[Matrix]:
        """The matrices of one attention that make queries, keys and values."""
        width, keys = self.width, self.keys or self.width
        return [(width, width + 2 * keys)] if self.kind == "fused" else [(width, width), (width, keys), (width, keys)]

    @property
    def attentions(self) -> int:
        """Number of attentions: a decoder layer that reads an encoder has two."""
        return (3 if self.kind == "encoder-decoder" else 1) * self.layers

    @property
    def feed_forward(self) -> list[Matrix]:
        """The matrices of one MLP."""
        into, out = (self.width, self.mlp), (self.mlp, self.width)
        return [into, into, out] if self.kind == "gated" else [into, out]

    @property
    def feed_forwards(self) -> int:
        """Number of MLPs."""
        return (2 if self.kind == "encoder-decoder" else 1) * self.layers

    @property
    def halves(self) -> int:
        """Number of stacks with an input of their own."""
        return 2 if self.kind == "encoder-decoder" else 1


def trained_parameters(shape: Shape, way: dict[str, Any]) -> int:
    """Counts what a way of tuning trains.

    Args:
        shape: Of the model.
        way: An entry of the paper's `methods`: `kind` (lora, ia3, prefix or prompt), and `rank` and `targets` or
            `tokens`. Targets are `attention` (query, key, value), `attention and output` (also the output projection)
            or `linear` (all matrices of the layers); of IA3 `attention` or `attention and mlp`.

    Raises:
        ValueError: The way is none of these.
    """
    targets = way.get("targets")
    match way["kind"]:
        case "lora" if targets in ("attention", "attention and output", "linear"):
            return int(way["rank"]) * sum(count * sum(map(sum, matrices)) for count, matrices in _of(shape, targets))
        case "ia3" if targets in ("attention", "attention and mlp"):
            scaled = shape.attentions * sum(out for _, out in shape.attention)
            inputs = shape.feed_forwards * sum(into for into, _ in shape.feed_forward)
            return scaled + (inputs if targets == "attention and mlp" else 0)
        case "prefix":
            return int(way["tokens"]) * shape.layers * 2 * (shape.keys or shape.width)
        case "prompt":
            return int(way["tokens"]) * shape.width * shape.halves
    raise ValueError(f"a way of tuning with kind '{way['kind']}' and targets '{targets}' cannot be counted")


def _of(shape: Shape, targets: str) -> list[tuple[int, list[Matrix]]]:
    """The matrices that are adapted, with the number of times that a model has them."""
    found = [(shape.attentions, shape.attention)]
    if targets != "attention":
        found.append((shape.attentions, [(shape.width, shape.width)]))
    return [*found, (shape.feed_forwards, shape.feed_forward)] if targets == "linear" else found


def share_of_weights(shape: Shape, way: dict[str, Any], parameters: float) -> float:
    """What a way of tuning trains, in per cent of all weights.

    Args:
        shape: Of the model.
        way: As of `trained_parameters`.
        parameters: Number of the model's own.

    Returns:
        The share of the weights in the model's layers, with those that LoRA and IA3 put there; a soft prompt lies
        beside them.
    """
    trained = trained_parameters(shape, way)
    return 100 * trained / (parameters + (trained if way["kind"] in ("lora", "ia3") else 0))
