"""Where a rehearsal of a study lies: never where the study does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError

ENDING = "-rehearsal"  # of the folder of its results


def folder_of_results(config: Mapping[str, Any]) -> str:
    """Returns the folder of a study's results: that of the config, or in a rehearsal another beside it.

    Args:
        config: The configuration, before it is checked.

    Raises:
        StudyError: A study would lie where rehearsals do.
    """
    folder, rehearses = str(config["results"]), config.get("rehearsal")
    is_marked = Path(folder).name.endswith(ENDING)
    if is_marked and not rehearses:
        raise StudyError(
            f"config: results: {folder}: folders of rehearsals end in '{ENDING}', and made-up results may lie there. "
            "Name another folder, or give 'rehearsal: true'."
        )
    return f"{Path(folder)}{ENDING}" if rehearses and not is_marked else folder
