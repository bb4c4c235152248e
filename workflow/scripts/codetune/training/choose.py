"""Rule choose: of the trials of a search, the one with the lowest validation loss becomes the run's training."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import atomic, link_or_copy, read_json, sha256_of_file, write_json
from codetune.base.manifests import checked_folder, read_manifest, write_manifest
from codetune.base.plain import from_plain, to_plain
from codetune.study.facts import TrainingFacts
from codetune.study.search import DivergedFacts, SearchFacts, Trial

Values = Mapping[str, Any]


@dataclass(frozen=True)
class TrialFiles:
    """What a training has written.

    Attributes:
        tuned: Manifest of the folder of the best checkpoint.
        checkpoints: Manifest of the folder with the checkpoint of each evaluation.
        log: Training log.
        facts: training.json.
    """

    tuned: str
    checkpoints: str
    log: str
    facts: str


def choose(trials: Mapping[str, Values], inputs: Sequence[TrialFiles], outputs: TrialFiles, search: str) -> None:
    """Makes the trial with the lowest validation loss the training of a run, and says how the others ended.

    Large files are linked, not copied. Links cannot be told from files: whoever deletes one leaves the other.

    Args:
        trials: The searched settings of each trial with their values in it, by the trial's name.
        inputs: What each trial has written.
        outputs: Where to put the training of the run.
        search: Where to write what is known of the search.

    Raises:
        StudyError: All trials diverged, or the files of the chosen one are not as its training left them.
    """
    facts = search_facts(trials, [files.facts for files in inputs])
    chosen = dict(zip(trials, inputs, strict=True))[facts.chosen]
    _link_folder(checked_folder(chosen.checkpoints), outputs.checkpoints)
    _link_folder(checked_folder(chosen.tuned), outputs.tuned)
    for source, target in ((chosen.log, outputs.log), (chosen.facts, outputs.facts)):
        with atomic(target) as copy:
            shutil.copy(source, copy)
    write_json(search, to_plain(facts))
    for trial in facts.trials:
        _print_trial(trial, facts.chosen)


def search_facts(trials: Mapping[str, Values], training: Sequence[str]) -> SearchFacts:
    """Compares the trials of a search by what their training.json says.

    Args:
        trials: The searched settings of each trial with their values in it, by the trial's name.
        training: Path of the training.json of each trial.

    Raises:
        StudyError: All trials diverged.
    """
    found = [
        _read_trial(name, dict(values), path) for (name, values), path in zip(trials.items(), training, strict=True)
    ]
    losses = {trial.method: trial.best_validation_loss for trial in found if trial.best_validation_loss is not None}
    if not losses:
        raise StudyError(
            f"all {len(found)} trials diverged: no validation loss is a number. Give the method lower values of "
            "'training.learning_rate' in the config."
        )
    searched = {name: list(dict.fromkeys(trial.values[name] for trial in found)) for name in found[0].values}
    return SearchFacts(searched, found, min(losses, key=losses.__getitem__), round(sum(t.seconds for t in found), 1))


def _read_trial(name: str, values: dict[str, Any], path: str) -> Trial:
    document, digest = read_json(path), sha256_of_file(path)
    if isinstance(document, dict) and "diverged" in document:
        diverged = from_plain(document, DivergedFacts, path)
        return Trial(name, values, None, None, diverged.steps, diverged.seconds, diverged.diverged, digest)
    facts = from_plain(document, TrainingFacts, path)
    found, spent = facts.result, facts.cost.seconds
    return Trial(name, values, found.best_validation_loss, found.best_step, found.steps, spent, found.problem, digest)


def _link_folder(source: Path, manifest: str) -> None:
    """Puts the files of a folder into another of the same content."""
    files = read_manifest(source / Path(manifest).name).files
    with atomic(Path(manifest).parent) as folder:
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source / name, folder / name)
        write_manifest(folder, {name: file.sha256 for name, file in files.items()})


def _print_trial(trial: Trial, chosen: str) -> None:
    values = ", ".join(f"{key} {value}" for key, value in trial.values.items())
    if trial.best_validation_loss is None:
        ended = "diverged"
    else:
        ended = f"best validation loss {trial.best_validation_loss:.4f} at step {trial.best_step} of {trial.steps}"
    print(f"{trial.method} ({values}): {ended}{', chosen' if trial.method == chosen else ''}")
