"""A finished study made anew from its config, samples and predictions, and compared with what is there."""

import gc
import io
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import reason_in_short
from codetune.base.progress import counted, doing
from codetune.base.rehearsal import is_rehearsal, rehearsing
from codetune.base.signals import end_with
from codetune.report.comparing import compare_files
from codetune.report.drawn import Extent, extent_of
from codetune.report.embeddings import checks_of_embeddings
from codetune.report.origins import Check, checks_of
from codetune.report.remake import Remake, Results
from codetune.report.remaking import remakes_of
from codetune.report.searches import checks_of_trials
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.rehearsal import folder_of_results

CHECK = "check of the results"  # for the terminal, while it runs
# What lies in the folder of results for each run, test set or table, and is told where the config has no such.
LISTED = (
    *(
        layout.RECORD,
        layout.TRAINING,
        layout.SEARCH,
        layout.CURVE,
        layout.PUBLISHED,
        layout.GENERATION,
        layout.RETRIEVAL,
        layout.EXAMPLES,
        layout.EMBEDDING,
    ),
    *(
        layout.SCORES,
        layout.SIZES,
        layout.COMPARISONS,
        *layout.TABLE_FORMS,
        layout.BROWSER,
        layout.PAGE,
        layout.CARD,
        layout.LEAKS,
        layout.SPLIT,
    ),
)


@dataclass(frozen=True)
class Findings:
    """What came of a check.

    Attributes:
        files: How many files were made anew and compared.
        measured: How many predictions were measured anew for that.
        problems: A line for each thing that is not as it should be.
        notes: A line for each file that lies there and belongs to no run of the config.
    """

    files: int
    measured: Extent
    problems: list[str]
    notes: list[str]


def check_results(config: Mapping[str, Any], cores: int = 1, everything: bool = False) -> Findings:
    """Makes all tables, scores and documents of a finished study anew and compares them with what is there.

    Args:
        config: The configuration as used: it says which runs there have to be, and where.
        cores: Number of processes.
        everything: Whether all predictions of a large study are measured anew.

    Raises:
        StudyError: The configuration is wrong, or the study is not finished.
    """
    config = {**config, "results": folder_of_results(config)}
    with rehearsing(config):
        return _check(config, cores, everything)


def _check(config: Mapping[str, Any], cores: int, everything: bool) -> Findings:
    """Checks the results of a config, which names the folder in which they are."""
    study = load_study(dict(config))
    whole = Results(study, config, config["results"], config["resources"])
    predictions = [whole.of(layout.PREDICTIONS, one) for one in study.scored]
    curves = [whole.of(layout.CURVE_PREDICTIONS, run) for run in study.training_runs]
    measured = extent_of(predictions, curves, everything)
    at = replace(whole, drawn=measured.drawn)
    tasks: list[Check | Remake] = [*checks_of(at), *checks_of_trials(at), *checks_of_embeddings(at), *remakes_of(at)]
    _check_complete(at.results, tasks)
    found = _perform_all(tasks, cores)
    made = {path for task in tasks for path in task.files.values()}
    return Findings(
        files=len(made),
        measured=measured,
        problems=list(dict.fromkeys(line for lines in found for line in lines)),
        notes=list(_left_over(at, {*made, *(path for task in tasks for path in task.needs)})),
    )


def _check_complete(results: str, tasks: Iterable[Check | Remake]) -> None:
    """Checks that everything that the study is made from and consists of is there."""
    if not Path(results).is_dir():
        raise StudyError(f"{results}: not there (seen from {Path.cwd()}). Finish the study first, or name its config.")
    paths = dict.fromkeys(path for task in tasks for path in (*task.needs, *task.files.values()))
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        more = f", and {len(missing) - 1} other files are missing" if len(missing) > 1 else ""
        raise StudyError(f"{missing[0]}: not there (seen from {Path.cwd()}){more}. Finish the study first.")


def _perform_all(tasks: Sequence[Check | Remake], cores: int) -> list[list[str]]:
    """Performs all tasks in several processes; gives what each found, in the order of the tasks."""
    if cores == 1:
        return [_perform(task, is_rehearsal()) for task in counted(tasks, CHECK, "parts")]
    order = sorted(range(len(tasks)), key=lambda number: _turn(tasks[number]))
    context = multiprocessing.get_context("forkserver")  # no copy of this process: Typst's threads would not come along
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(cores, context, _begin_process, (os.getpid(),))
    with doing(CHECK, "parts", len(tasks)) as told, pool:
        futures = {number: pool.submit(_perform, tasks[number], is_rehearsal()) for number in order}
        for future in futures.values():
            future.add_done_callback(lambda _: told.add())
        try:
            return [futures[number].result() for number in range(len(tasks))]
        except BrokenProcessPool:
            raise StudyError("a process of the check was ended from outside. Run it again on fewer cores.") from None
        except BaseException:  # Ctrl-C above all: what has begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _turn(task: Check | Remake) -> tuple[bool, int]:
    """Sorts tasks: long ones first, of these the comparisons, which take minutes in one process and need all runs."""
    return not task.long, -len(task.needs)


def _begin_process(parent: int) -> None:
    """Lets a process of the pool end without a word, by Ctrl-C or with the process that started it.

    Garbage is looked for more rarely than by default: the rows of files are many objects, of which none is garbage.
    """
    gc.set_threshold(100_000, 50, 50)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with(parent, "")


def _perform(task: Check | Remake, rehearsal: bool) -> list[str]:
    """Performs one task, of a rehearsal or of a study that is none; gives a line for each problem."""
    try:
        with rehearsing({"rehearsal": rehearsal}), redirect_stdout(io.StringIO()):  # what a job would log
            return task.find() if isinstance(task, Check) else _remake(task)
    except StudyError as error:
        return [str(error)]
    except OSError as error:
        return [f"{error.filename}: {error.strerror}"]
    except Exception as error:  # whatever a file that was changed by hand makes of our code
        about = [*task.files.values(), *task.needs][0]
        return [f"{about}: cannot be checked ({type(error).__name__}: {reason_in_short(error)})"]


def _remake(task: Remake) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        outputs = {role: str(Path(folder, role, Path(path).name)) for role, path in task.files.items()}
        task.make(outputs)
        return [line for role, path in task.files.items() for line in compare_files(path, outputs[role])]


def _left_over(at: Results, known: set[str]) -> Iterator[str]:
    """Files of runs, test sets and tables that the config does not have."""
    places = {Path(path) for path in known}
    for pattern in LISTED:
        for path in sorted(Path(at.results).glob(layout.glob_of(pattern))):
            if path not in places:
                yield f"{path}: of no run of this config"
