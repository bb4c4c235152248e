"""Shows all jobs of a study, live: see `make watch`.

Usage: python workflow/scripts/watch.py config/config.yaml [overlay ...] [--once] [--interval SECONDS]
"""

import argparse
import sys
from functools import partial

from codetune.base.errors import StudyError
from codetune.base.text import printable


def main():
    """Returns what to end with: nothing for a finished study, 1 for another, or the line that says what is wrong."""
    from snakemake.exceptions import WorkflowError

    parser = argparse.ArgumentParser(description="Shows all jobs of a study, live, from its files alone.")
    parser.add_argument("config", nargs="+", help="config/config.yaml, then overlays as Snakemake got them")
    parser.add_argument("--once", action="store_true", help="show the study as it is now, and end")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two looks (default: 5)")
    arguments = parser.parse_args()
    try:
        from codetune.report.watch import look
        from codetune.report.watch_table import show
        from codetune.study.config import load_study
        from codetune.study.stages import jobs_of
        from merged_config import merged_config
        from rich.console import Console

        config = merged_config(arguments.config)
        jobs = jobs_of(load_study(config), config["results"], config["resources"])
        looking = partial(look, jobs, [config["results"], config["resources"]])
        sight = show(looking, Console(), max(0.5, arguments.interval), arguments.once)
    except (StudyError, WorkflowError) as error:
        return f"error: {printable(str(error))}"
    except OSError as error:
        return f"error: {printable(str(error.filename))}: {error.strerror}"
    except KeyboardInterrupt:
        return None
    return None if sight.is_finished else 1


if __name__ == "__main__":
    sys.exit(main())
