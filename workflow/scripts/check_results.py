"""Makes a finished study anew from its config, samples and predictions, and compares: see `make check-results`.

Usage: python workflow/scripts/check_results.py config/config.yaml [overlay ...] [--cores N]
"""

import argparse
import copy
import os
import sys
from pathlib import Path

from codetune.base.environment import clean_environment, set_environment
from codetune.base.errors import StudyError
from codetune.base.text import printable

if os.environ.get("PYTHONHASHSEED") != "0":  # as the workflow runs its jobs
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
clean_environment()
set_environment(threads=1, offline=True)

NOTES = 10  # most files of no run that are told


def read_config(paths):
    """Merges config files as Snakemake does: the overlays into one another, and then over the first file.

    The order of keys is Snakemake's, too: those of the overlays come first.
    """
    from codetune.study.configfiles import check_config_files
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    if folders := [path for path in paths if Path(path).is_dir()]:
        raise StudyError(f"{folders[0]}: a folder. Name the study's config files: config/config.yaml, then overlays.")
    check_config_files(paths)
    own, *overlays = map(load_configfile, paths)
    given = {}
    for overlay in overlays:
        update_config(given, overlay)
    config = copy.deepcopy(given)
    update_config(config, own)
    update_config(config, given)
    return config


def main():
    """Returns what to end with: nothing, or the lines that say what is wrong."""
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import available_cpu_count

    parser = argparse.ArgumentParser(description="Makes a finished study anew from its predictions, and compares.")
    parser.add_argument("config", nargs="+", help="config/config.yaml, then overlays as Snakemake got them")
    parser.add_argument("--cores", type=int, default=available_cpu_count(), help="number of processes (default: all)")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack the letters of a label
    try:
        from codetune.base.progress import STDERR, signs_of_life
        from codetune.report.checking import check_results

        with signs_of_life(STDERR):
            findings = check_results(read_config(arguments.config), max(1, arguments.cores))
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
    return None


if __name__ == "__main__":
    sys.exit(main())
