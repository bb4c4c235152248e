"""A fault campaign: a small study is killed at random moments, and the same command given again, until it is through.

Usage: python tests/faults.py [--kills 100] [--restarts 20] [--slurm-restarts 10] [--seed 0] [--folder build/faults]

A kill is followed by the same command once all has ended. A restart comes while jobs of the killed workflow are still
alive, on this machine and, where SLURM is installed, on a cluster of one node. There must never be two processes that
write in one folder. Table 2, predictions, scores, curves, training logs and adapters have to equal, byte for byte,
those of a study that nobody disturbed. Whenever the study gets through before all faults are used up, it is
compared and begun anew. (See `make faults`.)
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "support"))
from fault_campaign import campaign, undisturbed_study
from restart_campaign import restart_campaign, restart_here, restart_on_slurm
from slurm_cluster import ask, missing_programs, one_node_cluster


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--slurm-restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="default: a temporary folder, removed in the end")
    arguments = parser.parse_args()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=bool(arguments.folder is None))
        study = undisturbed_study(folder / "study")
        if arguments.kills:
            print(campaign(*study, arguments.kills, arguments.seed))
        if arguments.restarts:
            print(restart_campaign(*study, arguments.restarts, arguments.seed, restart_here))
        if arguments.slurm_restarts and not (missing := missing_programs()):
            (folder / "cluster").mkdir()
            cluster = stack.enter_context(one_node_cluster(folder / "cluster", gpus=4))
            again = restart_on_slurm(cluster)
            print(
                restart_campaign(
                    *study,
                    arguments.slurm_restarts,
                    arguments.seed,
                    again,
                    longest=60.0,
                    jobs_alive=lambda: bool(ask(cluster, "squeue", "--noheader")),
                )
            )
        elif arguments.slurm_restarts:
            print(f"no restarts on SLURM: {', '.join(missing)} not installed")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
