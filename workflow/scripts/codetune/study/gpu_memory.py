"""What memory the GPU of a run needs, as the config says it of a model and of its methods."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from codetune.study.method import TRIAL
from codetune.study.mistakes import unknown_name
from codetune.study.runs import Run
from codetune.study.study import Study

KEY = "gpu_memory_gb"  # of an entry of the config's `models`
NAMED = 6  # systems that the line names


def read_gpu_memory(config: Mapping[str, Any]) -> dict[str, int | dict[str, int]]:
    """Reads what memory the models of a configuration need, by their names; of those that say it.

    No noun of a run has it: what a job needs is no part of its result, and no record says it.

    Args:
        config: The configuration, already checked against its schema.

    Raises:
        StudyError: A method that one names is not there.
    """
    found = {model: entry[KEY] for model, entry in config["models"].items() if KEY in entry}
    for model, needs in found.items():
        for method in needs if isinstance(needs, dict) else []:
            if method not in config["methods"]:
                raise unknown_name(f"models.{model}.{KEY}", method, config["methods"])
    return found


def gpu_memory_of(study: Study, run: Run) -> int | None:
    """Returns the memory in GB (of 1e9 bytes) that the GPU of a run's jobs needs; None where the config does not say.

    Args:
        study: The study.
        run: A run, or a trial of a search.
    """
    needs = study.gpu_memory.get(run.model)
    return needs.get(run.method.partition(TRIAL)[0]) if isinstance(needs, dict) else needs


def describe_gpu_memory(study: Study) -> str | None:
    """Says in one line what memory the runs' GPUs need, and names those that need more than the least of them.

    Args:
        study: The study.

    Returns:
        The line; None if no run says what it needs.
    """
    needs = {run: needed for run in study.runs if (needed := gpu_memory_of(study, run)) is not None}
    if not needs:
        return None
    counts = sorted(Counter(needs.values()).items())
    parts = [f"{counts[0][1]} need {counts[0][0]} GB"]
    for needed, count in counts[1:]:
        named = list(dict.fromkeys(f"{run.model} {run.method}" for run in needs if needs[run] == needed))
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        parts.append(f"{count} need {needed} GB ({', '.join(named[:NAMED])}{more})")
    return f"GPUs: of the {len(study.runs)} runs, {', '.join(parts)}. A job refuses a smaller one."
