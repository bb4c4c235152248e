"""What the steps of a paper's Table 1 say about the number of training sequences."""

from codetune.base.files import Row


def sequences_of(row: Row, whole_batches: bool) -> range:
    """The numbers of training sequences that give a row of Table 1 its steps.

    Args:
        row: The paper's row.
        whole_batches: Only whole batches are steps, as in transformers 4 where it accumulates gradients; else the
            last, smaller one too.
    """
    steps, batch = row["steps"] // row["epochs"], row["batch_size"]
    first = steps * batch if whole_batches else (steps - 1) * batch + 1
    return range(first, first + batch)


def implied_sequences(table1: list[Row], whole_batches: bool) -> range:
    """The numbers of training sequences that give every row of Table 1 its steps, as `sequences_of` does one."""
    each = [sequences_of(row, whole_batches) for row in table1]
    return range(max(one.start for one in each), min(one.stop for one in each))
