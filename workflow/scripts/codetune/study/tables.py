"""The tables of a study: what each is made from. Rules and the check of the results ask this module."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from codetune.base.plain import to_plain
from codetune.study import layout
from codetune.study.declared import declared_params, has_claims
from codetune.study.declared_tables import PREFIX
from codetune.study.runs import Evaluation, Run, System
from codetune.study.study import Study
from codetune.study.tested import compared_tests, executed_inputs

Place = Callable[..., str]  # the path for a pattern of the layout and values of its wildcards
Inputs = Mapping[str, list[str]]


def compared_variants(study: Study) -> list[tuple[System, System]]:
    """Returns each variant that is trained with its default, as far as that is trained, too."""
    return study.variants.pairs_of(study.trained_systems)


def table_inputs(study: Study, in_results: Place, in_resources: Place) -> dict[str, Inputs]:
    """The files that each table of a study is made from, by its name, without tables that would have no row.

    Args:
        study: The study.
        in_results: Returns the path of a pattern within the results, with the values of its wildcards.
        in_resources: The same within the resources.
    """

    def each(pattern: str, things: Iterable[Run | Evaluation]) -> list[str]:
        return [in_results(layout.fill(pattern, thing)) for thing in things]

    scored = {
        "records": [in_results(layout.ALL_RECORDS)],
        "comparisons": [in_results(layout.COMPARISONS, test=test) for test in compared_tests(study)],
    }
    executed = executed_inputs(study, in_results)
    sizes = {"sizes": [in_results(layout.SIZES, model=model) for model in study.tunings]}
    # Table 1 needs neither weights nor a training.
    planned = sizes | {
        "stats": [in_results(layout.TOKEN_STATS, **study.token_set_of(run)) for run in study.planned],
    }
    spent = sizes | {
        "records": [in_results(layout.ALL_RECORDS)],
        "tuned": each(layout.TUNED, study.training_runs),
    }
    searched = {"records": each(layout.RECORD, [run for run in study.training_runs if study.trials_of(run)])}
    on_all_tests = scored | {"comparisons": [in_results(layout.COMPARISONS, test=test) for test in study.tests]}
    tables: dict[str, Inputs] = {
        "table1": planned,
        "table2": scored | executed,
        "variants": scored,
        "pairs": scored,
        "metrics": on_all_tests,
        "breakdown": scored,
        "execution": scored | {"comparisons": executed.get("executed", [])},
        "cost": spent,
        "search": searched,
        "audit": scored | _audited(study, in_results, in_resources),
        **{f"{PREFIX}{name}": on_all_tests | sizes for name in study.declared},
    }
    has_rows = {
        "table1": study.training_runs,
        "variants": compared_variants(study),
        "execution": executed,
        "search": searched["records"],
        "cost": study.used_models,
        "audit": has_claims(study.paper),
    }
    return {name: inputs for name, inputs in tables.items() if has_rows.get(name, True)}


def _audited(study: Study, in_results: Place, in_resources: Place) -> dict[str, list[str]]:
    """What the audit of the paper's claims is made from, beside scores."""
    return {
        "configs": [in_resources(layout.TOKENIZER, model=model) for model in study.used_models],
        "stats": [in_results(layout.TOKEN_STATS, **entry) for entry in study.token_sets],
        "prompt_stats": [in_results(layout.PROMPT_STATS, **entry) for entry in study.zero_shot_sets],
        "cards": [in_results(layout.CARD, dataset=name) for name in study.used_datasets],
    }


def table_params(study: Study, metric: str) -> dict[str, Any]:
    """What every table gets to know of the config, as plain values.

    Args:
        study: The study.
        metric: Name of the study's metric.
    """
    datasets = {name: study.datasets[name] for name in study.used_datasets}
    searched = {trial: values for name in study.trials for trial, values in study.values_of(name).items()}
    # A part of a data set is not what a paper used.
    sources = {name: to_plain(one.published.source) for name, one in datasets.items() if one.is_whole}
    return declared_params(study.paper) | {
        "metric": metric,
        "plans": [
            {
                "system": run.system._asdict(),
                "label": study.models[run.model].label,
                "plan": to_plain(study.for_training(run)),
                "searched": searched.get(run.method, {}),
            }
            for run in study.planned
        ],
        "variants": [[one._asdict() for one in pair] for pair in compared_variants(study)],
        "models": study.used_models,
        "tokens": study.token_sets,
        "prompts": [
            {"test": entry["test"], "model": entry["model"], "template": entry["prompt"]}
            for entry in study.zero_shot_sets
        ],
        # What is not set is left out: a field that is new must not make the tables anew.
        "datasets": {
            name: {key: value for key, value in source.items() if value is not None} for name, source in sources.items()
        },
    }
