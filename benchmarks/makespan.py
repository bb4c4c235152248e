"""Simulates the schedule of the study, of its pilot, and of studies of many methods, on 1 to 64 GPUs.

It takes half a minute, without a GPU and without torch.

Usage: python benchmarks/makespan.py --out FILE.json
       python benchmarks/makespan.py --out FILE.json --recorded [CONFIG.yaml ...]

Jobs, their dependencies, cores, GPUs and priorities are those that Snakemake plans, and its own greedy scheduler
chooses among them. How long a job takes comes from a cost model of the full study; with --recorded, from what the jobs
of a finished study took, and the cost model is compared with these.
"""

import argparse
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common import ROOT, Row, write_result
from costs import modelled
from methods_study import methods_study
from recorded import Recorded
from schedule import CORES, GPUS, Job, Plan, Schedule, read_plan, simulate

GOAL = 1.10  # of the GPU work, divided by the number of GPUs
MANY = (4, 16, 64)  # GPUs, for studies of many methods
CORES_PER_GPU = CORES // 4  # as in the paper's machine


@dataclass(frozen=True)
class Scenario:
    """A study to simulate.

    Attributes:
        jobs: Its jobs, with their seconds.
        unusual: What is not as usual in its schedule.
        gpus: The numbers of GPUs.
    """

    jobs: list[Job]
    unusual: dict[str, int] = field(default_factory=dict)
    gpus: tuple[int, ...] = GPUS

    def simulate(self) -> dict[int, Schedule]:
        """Its schedule for each number of GPUs."""
        return {
            gpus: simulate(self.jobs, gpus, **{"cores": max(CORES, CORES_PER_GPU * gpus), **self.unusual})
            for gpus in self.gpus
        }


def scenarios() -> dict[str, Scenario]:
    """The scenarios, by name."""
    plan = read_plan()
    first, *others = plan.config["runs"]
    seeds = read_plan(runs=[{**first, "seeds": [0, 1, 2]}, *others])
    pilot = read_plan([ROOT / "config" / "pilot.yaml"])
    methods = read_plan([ROOT / "config" / "methods.yaml"])
    all_methods = read_plan(**methods_study())
    full = _modelled(plan, epochs=50)
    return {
        "the study, all 50 epochs": Scenario(full),
        "stopped early, after 10 epochs": Scenario(_modelled(plan, epochs=10)),
        "three seeds, 50 epochs": Scenario(_modelled(seeds, epochs=50)),
        "50 epochs, priorities but all downloads at once": Scenario(full, {"downloads": len(full)}),
        "the pilot, downloads included": Scenario(_modelled(pilot, epochs=1)),
        "50 epochs, neither": Scenario([replace(job, priority=0) for job in full], {"downloads": len(full)}),
        "config/methods.yaml with its searches, 10 epochs": Scenario(_modelled(methods, epochs=10), gpus=MANY),
        "six models, nine methods, three seeds, 10 epochs": Scenario(_modelled(all_methods, epochs=10), gpus=MANY),
    }


def _modelled(plan: Plan, epochs: int) -> list[Job]:
    return [modelled(job, plan.study, epochs) for job in plan.jobs]


def describe(name: str, schedules: dict[int, Schedule]) -> None:
    """Prints a scenario's schedules, one line for each number of GPUs."""
    print(f"\n{name}\n  GPUs    hours  of GPU work / GPUs  of the lower bound")
    for gpus, schedule in schedules.items():
        ratios = (schedule.seconds / schedule.ideal, schedule.seconds / schedule.bound)
        print(f"  {gpus:4d} {schedule.seconds / 3600:8.2f} {ratios[0]:19.3f} {ratios[1]:19.3f}")


def compare(study: Recorded) -> list[dict[str, Any]]:
    """Prints and returns what each GPU job of a finished study took, beside what the cost model says."""
    print(f"rates: {study.training:.3g} operations/s in training, {study.decoding:.3g} layers/s in decoding")
    print(f"start of a GPU job: {study.start:.1f} s (median)\n\n  predicted  recorded  ratio  job")
    jobs = sorted(study.gpu_jobs, key=lambda job: (job.rule, -job.seconds))
    predictions, recorded = [study.predicted(job) for job in jobs], [job.seconds for job in jobs]
    rows = []
    for job, predicted in zip(jobs, predictions, strict=True):
        name = " ".join([job.rule, *job.wildcards.values()])
        print(f"  {predicted:9.1f} {job.seconds:9.1f} {predicted / job.seconds:6.2f}  {name}")
        row = {"job": name, "benchmark": str(job.benchmark), "predicted": round(predicted, 1), "recorded": job.seconds}
        rows.append(row)
    total = sum(predictions) / sum(recorded)
    off = statistics.median(abs(a / b - 1) for a, b in zip(predictions, recorded, strict=True))
    print(f"  sum of the predicted / sum of the recorded: {total:.2f}; median error of a job: {off:.0%}")
    return rows


def as_recorded(study: Recorded) -> dict[str, Any]:
    """Compares the cost model and the simulation with a finished study, prints both, and returns the facts."""
    jobs, machine = compare(study), study.machine
    own = {"simulated": simulate(study.jobs, **machine).seconds, "taken": study.wall_time(), **machine}
    print("\n{cores} cores, {gpus} GPUs: {simulated:.0f} s simulated, {taken:.0f} s taken".format(**own))
    return {"jobs": jobs, "study": own}


def main() -> None:
    """Simulates, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the result, as JSON")
    parser.add_argument("--recorded", type=Path, nargs="*", metavar="CONFIG", help="overlays of a finished study")
    arguments = parser.parse_args()
    for path in arguments.recorded or ():
        if not path.is_file():
            parser.error(f"there is no file {path}")
    facts: dict[str, Any] = {}
    if arguments.recorded is None:
        cases = scenarios()
    else:
        study = Recorded(arguments.recorded)
        facts = as_recorded(study)
        cases = {"the finished study, its jobs as long as they were": Scenario(study.jobs)}
    results = {}
    for name, scenario in cases.items():
        results[name] = scenario.simulate()
        describe(name, results[name])
    facts["hours"] = {
        name: {
            gpus: {"simulated": s.seconds / 3600, "ideal": s.ideal / 3600, "bound": s.bound / 3600}
            for gpus, s in schedules.items()
        }
        for name, schedules in results.items()
    }
    first, four = next((name, schedules[4]) for name, schedules in results.items())
    detail = f"{first}: {four.seconds / 3600:.2f} h simulated, GPU work / 4 is {four.ideal / 3600:.2f} h"
    print()
    row = Row("four GPUs, whole study", "sum of GPU work / 4", f"< {GOAL:.2f} x", four.seconds / four.ideal, detail)
    write_result(arguments.out, [row], **facts)


if __name__ == "__main__":
    main()
