"""Makes a finished study anew from its config, samples and predictions, and compares: see `make check-results`.

Usage: python workflow/scripts/check_results.py config/config.yaml [overlay ...] [--cores N] [--all]
"""

import argparse
import os
import sys

from codetune.base.environment import clean_environment, set_environment
from codetune.base.errors import StudyError
from codetune.base.text import printable

if os.environ.get("PYTHONHASHSEED") != "0":  # as the workflow runs its jobs
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
clean_environment()
set_environment(threads=1, offline=True)

NOTES = 10  # most files of no run that are told


def main():
    """Returns what to end with: nothing, or the lines that say what is wrong."""
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import available_cpu_count

    parser = argparse.ArgumentParser(description="Makes a finished study anew from its predictions, and compares.")
    parser.add_argument("config", nargs="+", help="config/config.yaml, then overlays as Snakemake got them")
    parser.add_argument("--cores", type=int, default=available_cpu_count(), help="number of processes (default: all)")
    parser.add_argument("--all", action="store_true", help="measure all predictions of a large study anew")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack the letters of a label
    try:
        from codetune.base.progress import STDERR, signs_of_life
        from codetune.report.checking import check_results
        from merged_config import merged_config

        with signs_of_life(STDERR):
            findings = check_results(merged_config(arguments.config), max(1, arguments.cores), arguments.all)
    except (StudyError, WorkflowError) as error:
        return f"error: {printable(str(error))}"
    except OSError as error:
        return f"error: {printable(str(error.filename))}: {error.strerror}"
    except KeyboardInterrupt:
        return "error: stopped before all was checked"
    for line in findings.notes[:NOTES]:
        print(f"note: {printable(line)}")
    if len(findings.notes) > NOTES:
        print(f"note: {len(findings.notes) - NOTES} more such files")
    if findings.problems:
        problems = map(printable, findings.problems)
        return "\n".join(["error: the results do not follow from the config and the predictions:", *problems])
    print(f"{findings.files:,} files made anew from the config and the predictions: all cells are equal")
    if (measured := findings.measured).drawn:
        print(
            f"{measured.measured:,} of {measured.predictions:,} predictions were measured anew (the others with --all) "
            f"and two points of {measured.drawn_curves:,} of {measured.curves:,} curves; all else was made from the "
            "scores of all predictions"
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
