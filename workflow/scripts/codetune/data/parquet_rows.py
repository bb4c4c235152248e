"""Records in Parquet."""

from collections import Counter
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import MISSHAPEN, reason_in_short


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Reads all rows of a Parquet file, as Python's own values; an empty cell is None.

    Raises:
        StudyError: The file is damaged, or names a column twice.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            names = Counter(file.schema_arrow.names)
            twice = [name for name, count in names.items() if count > 1]
            rows: list[dict[str, Any]] = [] if twice else file.read().to_pylist()
    except (ArrowException, OSError, *MISSHAPEN) as error:
        raise StudyError(
            f"{path}: not a whole Parquet file ({reason_in_short(error)}). Get it again, or write it anew."
        ) from None
    if twice:
        raise StudyError(f"{path}: the column '{twice[0]}' is there twice. Rename one of the two.")
    return rows
