"""The trials of the searches of a finished study, held against its config and against what they left."""

from functools import partial

from codetune.base.files import read_json
from codetune.base.manifests import read_manifest
from codetune.base.plain import from_plain, to_plain
from codetune.report.comparing import compare_values
from codetune.report.origins import Check, differences_from_log, hashes_of_tokens
from codetune.report.remake import Results
from codetune.report.sequences import differences_from_tokens
from codetune.study import layout
from codetune.study.facts import TrainingFacts
from codetune.study.runs import Run
from codetune.study.search import DivergedFacts
from codetune.study.tunings import implementation_of


def checks_of_trials(at: Results) -> list[Check]:
    """A look at each trial. That a run has the best of its trials is seen where its search.json is made anew."""
    return [_trial(at, trial) for run in at.study.training_runs for trial in at.study.trials_of(run)]


def _trial(at: Results, trial: Run) -> Check:
    names = (layout.TRAINING, layout.TRAINING_LOG, layout.TUNED)
    stats = at.path(layout.TOKEN_STATS, **at.study.token_set_of(trial))
    return Check(partial(_check_trial, at, trial, stats), [*(at.of(name, trial) for name in names), stats])


def _check_trial(at: Results, trial: Run, stats: str) -> list[str]:
    """Compares the facts of a trial with the config, its token sets, its log and the weights beside them."""
    path, log, tuned = (at.of(name, trial) for name in (layout.TRAINING, layout.TRAINING_LOG, layout.TUNED))
    document = read_json(path)
    diverged = isinstance(document, dict) and "diverged" in document
    kind: type[DivergedFacts] | type[TrainingFacts] = DivergedFacts if diverged else TrainingFacts
    facts: DivergedFacts | TrainingFacts = from_plain(document, kind, path)
    lines = compare_values(to_plain(facts.plan), to_plain(at.study.for_training(trial)))
    lines = [f"{path}: plan.{line}" for line in lines]
    lines += [f"{path}: inputs_sha256.{one}" for one in compare_values(facts.inputs_sha256, hashes_of_tokens(stats))]
    files, weights = read_manifest(tuned).files, implementation_of(facts.plan.tuning).weights
    if not isinstance(facts, TrainingFacts):
        return lines + [f"{tuned}: names {name}, but {path} says that it diverged" for name in files]
    lines += [f"{path}: {one}" for one in (*differences_from_tokens(facts, stats), *differences_from_log(facts, log))]
    if weights not in files or files[weights].sha256 != facts.tuned_sha256:
        lines.append(f"{path}: tuned_sha256: found {facts.tuned_sha256}, which is not that of {weights} by {tuned}")
    return lines
