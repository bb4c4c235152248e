"""Kinds of measures about parameters and memory, from the shapes of models."""

from typing import Any

from codetune.papers.counts import share_of_weights, trained_parameters
from codetune.papers.measured import Declared, Measured, measure_each
from codetune.papers.printed import format_size, is_printed_as

GIB = 2**30
WEIGHT = 2  # bytes of a number in 16 bits


def trained(
    declared: Declared, table: str, column: str, method: str, models: list[str], counted_as: str = "", **changes: Any
) -> Measured:
    """Whether what a table prints as trained is what the shapes give, model by model.

    Args:
        declared: The paper.
        table: Name of the table.
        column: Of numbers of parameters; `trained_percent` is of their shares of all weights.
        method: Whose column it is.
        models: Names of the models.
        counted_as: The method that is counted; by default the same.
        changes: Of the way of tuning: `rank`, `targets`, `tokens`.
    """
    way = declared.way(counted_as or method, **changes)
    holds, percent = {}, column == "trained_percent"
    for model in models:
        shape = declared.shape(model)
        count = trained_parameters(shape, way)
        share = share_of_weights(shape, way, declared.parameters(model))
        printed = declared.cell(table=table, model=model, method=method, column=column)
        found = f"{share:.2g} %" if share < 0.1 else f"{share:.3f} %"
        text = f"{declared.name_of(model)} {found if percent else format_size(count)} (printed {printed})"
        holds[text] = printed is not None and is_printed_as(printed, share if percent else count)
    settings = ", ".join(f"{key} {value}" for key, value in way.items())
    return measure_each(holds, f"counted from the shapes: {settings}; as printed, rounded or cut off")


def memory_left(declared: Declared, table: str, model: str, method: str, per_weight: int, length: int) -> Measured:
    """Whether a printed memory leaves room for the outputs of the layers, beside what each weight takes.

    Args:
        declared: The paper.
        table: Name of the table with the column `memory_gb`.
        model: Name of the model.
        method: Of the training.
        per_weight: Bytes that weight, gradient and the optimiser's moments take together.
        length: Tokens of one training sequence.
    """
    printed, shape = declared.number(table=table, model=model, method=method, column="memory_gb"), declared.shape(model)
    taken, outputs = per_weight * declared.parameters(model) / GIB, WEIGHT * shape.layers * shape.width * length / GIB
    left = (printed or 0.0) - taken
    how = (
        f"{per_weight} bytes per weight are {taken:.2f} GiB; the outputs of all layers for {length:,} tokens in 16 "
        f"bits are {outputs:.2f} GiB"
    )
    return Measured([left >= outputs], f"{left:.2f} GiB left", how)


def weights_gb(declared: Declared, model: str, bits: int) -> Measured:
    """The memory of a model's weights alone, in GB of 2^30 bytes."""
    taken = declared.parameters(model) * bits / 8 / GIB
    return Measured([taken], f"{taken:.2f} GiB", f"the weights alone, in {bits} bits")


def parameters(declared: Declared, models: list[str]) -> Measured:
    """The numbers of parameters of some models."""
    found = {declared.name_of(model): declared.parameters(model) for model in models}
    shown = "; ".join(f"{name} {count / 1e6:.1f} M" for name, count in found.items())
    return Measured(list(found.values()), shown, "published sizes")
