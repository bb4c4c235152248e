"""What trainings cost, as the figures show it: each kind of cost with its label, its unit and its values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codetune.study.facts import TrainingCost
from codetune.study.record import Record

LONG = 3600.0  # seconds: from here on times are told in hours


@dataclass(frozen=True)
class Cost:
    """A kind of cost.

    Attributes:
        label: With its unit.
        value_of: Its value in a training.
    """

    label: str
    value_of: Callable[[TrainingCost], float]


def training_costs(records: Sequence[Record]) -> dict[str, Cost]:
    """Returns time, speed and memory of trainings by these names, and energy where it was measured for all of them.

    Args:
        records: Of all runs of the study: units follow from the longest and the largest.
    """
    costs = [record.training.cost for record in records if record.training is not None]
    whose = "/".join(sorted({cost.peak_memory.of for cost in costs}))
    unit, divisor = ("hours", 3600.0) if max(cost.seconds for cost in costs) >= LONG else ("minutes", 60.0)
    found = {
        "time": Cost(f"training time ({'GPU ' if whose == 'GPU' else ''}{unit})", lambda cost: cost.seconds / divisor),
        "speed": Cost("tokens per second", lambda cost: cost.tokens_per_second),
        "memory": Cost(f"peak {whose} memory (GiB)", lambda cost: cost.peak_memory.bytes / 2**30),
    }
    if all(cost.energy_joules is not None for cost in costs):
        found["energy"] = Cost("energy (kWh)", lambda cost: (cost.energy_joules or 0.0) / 3.6e6)
    return found
