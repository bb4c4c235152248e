"""What a study leaves out because the commit of a model, a data set or an encoder is still to be filled in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.runs import NONE, Evaluation, Run
from codetune.study.study import Study
from codetune.study.unpinned import TO_BE_FILLED_IN, Unpinned, where_to_look

KINDS = ("models", "datasets", "encoders")


def without_unpinned(study: Study, config: Mapping[str, Any]) -> Study:
    """Takes the entries without a commit out of a study, with all that uses them.

    Args:
        study: The study.
        config: The configuration that it was built from.

    Returns:
        What is left of the study; `unpinned` has the entries that runs would need.

    Raises:
        StudyError: Nothing is left.
    """
    names = {kind: _open_in(config.get(kind, {})) for kind in KINDS}
    if not any(names.values()):
        return study
    ready = [one for one in study.evaluations if not any(_needs(one, kind, study) & names[kind] for kind in KINDS)]
    kept = {one.run for one in ready}
    found = [
        _describe(kind, name, config[kind][name], study, kept)
        for kind in KINDS
        for name in config.get(kind, {})
        if name in names[kind]
    ]
    found = [one for one in found if one.runs or one.untested]
    if not ready:
        raise StudyError(f"config: runs: all of them wait for {found[0].key}. {where_to_look(found[0])}")
    return replace(
        study,
        evaluations=ready,
        models=_without(study.models, names["models"]),
        datasets=_without(study.datasets, names["datasets"]),
        encoders=_without(study.encoders, names["encoders"]),
        joints={name: one for name, one in study.joints.items() if names["datasets"].isdisjoint(one.datasets)},
        unpinned=found,
    )


def targets_left_out(study: Study) -> dict[str, str]:
    """Says of each model and each target whose runs are all left out what they wait for, by its name.

    Args:
        study: What is left of a study.
    """
    found: dict[str, str] = {}
    for one in study.unpinned:
        for run in one.runs:
            targets = [name for name, runs in study.targets.items() if runs and not study.runs_of(name) and run in runs]
            models = [] if run.model in {*study.used_models, NONE} else [run.model]
            reason = f"wait for {one.key}. {where_to_look(one)}"
            found |= {name: f"all runs of {name} {reason}" for name in [*models, *targets]}
    return found


def _describe(kind: str, name: str, entry: Mapping[str, Any], study: Study, kept: set[Run]) -> Unpinned:
    """What waits for an entry.

    Args:
        kind: Section of the config.
        name: Name of the entry.
        entry: The entry.
        study: The whole study.
        kept: The runs that are not left out.
    """
    waiting = list(dict.fromkeys(one.run for one in study.evaluations if name in _needs(one, kind, study)))
    runs = [run for run in waiting if run not in kept]
    return Unpinned(kind, name, _address(kind, entry), runs, [run for run in waiting if run in kept])


def _needs(evaluation: Evaluation, kind: str, study: Study) -> set[str]:
    """Names of what a run on a test set needs of a section of the config."""
    run, examples = evaluation.run, study.methods[evaluation.run.method].examples
    if kind == "models":
        return {run.model}
    if kind == "encoders":
        return {examples.encoder} if examples and examples.encoder else set()
    return {*(study.published_of(run.data) if run.data != NONE else []), evaluation.test}


def _open_in(entries: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Names of the entries of a section whose commit is still to be filled in; a local path needs none."""
    return {name for name, entry in entries.items() if entry.get("revision") == TO_BE_FILLED_IN and "path" not in entry}


def _address(kind: str, entry: Mapping[str, Any]) -> str:
    if "github" in entry:
        return f"https://github.com/{entry['github']}"
    return f"https://huggingface.co/{'datasets/' if kind == 'datasets' else ''}{entry['repo']}"


def _without(entries: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if name not in names}
