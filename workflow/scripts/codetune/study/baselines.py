"""The baselines of methods that name none."""

from collections.abc import Collection
from dataclasses import replace

from codetune.base.errors import StudyError
from codetune.study.method import UNQUANTISED, Method
from codetune.study.study import Study

CHAT = "chat"  # the template that is a model's own
IN_WORDS = {"bfloat16": "bf16", "float32": "fp32"}


def with_default_baselines(study: Study, named: Collection[str]) -> Study:
    """Gives baselines to the methods that train and name none.

    These are the untuned methods whose weights are held alike, in the same template or in the model's own, as far as
    the study runs them on a model that the method trains. Those in the same template come first.

    Args:
        study: The study.
        named: Names of the methods that name baselines.

    Raises:
        StudyError: A method that is run has none.
    """
    wanted = {run.method: study.methods[run.method] for run in study.training_runs if run.method not in named}
    found = {name: _untuned_like(method, study) for name, method in wanted.items()}
    for name, baselines in found.items():
        if not baselines:
            raise StudyError(_say_what_to_add(wanted[name], study))
    return replace(
        study,
        methods={
            name: replace(method, baselines=found[name]) if name in found else method
            for name, method in study.methods.items()
        },
    )


def _untuned_like(method: Method, study: Study) -> list[str]:
    """Names of the untuned methods that a method is measured over, those in its own template first."""
    own = {run.model: study.template_of(run) for run in study.training_runs if run.method == method.name}
    templates: dict[str, set[tuple[str, str]]] = {}  # of the template of each untuned method, with the method's own
    for run in study.runs:
        other = study.methods[run.method]
        if other.kind == "untuned" and other.quantization == method.quantization and run.model in own:
            templates.setdefault(run.method, set()).add((study.template_of(run), own[run.model]))
    fitting = [name for name, pairs in templates.items() if all(one in (mine, CHAT) for one, mine in pairs)]
    return sorted(fitting, key=lambda name: any(one != mine for one, mine in templates[name]))


def _say_what_to_add(method: Method, study: Study) -> str:
    """Says which untuned method a method lacks: one that the config has and does not run, or one to be written."""
    assert method.quantization is not None  # as of all methods that train
    kind = method.quantization.type
    alike = [one for one in study.methods.values() if (one.kind, one.quantization) == ("untuned", method.quantization)]
    there = next((one.name for one in alike if one.prompt == method.prompt), None)
    held = IN_WORDS[method.quantization.compute_dtype] if kind == UNQUANTISED else kind
    name = "-".join(["base", held, *([method.prompt.name] if method.prompt else [])])
    entry = f"{{quantization: {kind}{f', prompt: {method.prompt.name}' if method.prompt else ''}}}"
    add = f"'{there}' to the runs" if there else f"'{name}: {entry}' to methods and '{name}' to the runs"
    return (
        f"config: methods.{method.name}: no untuned method with weights held alike (quantization: {kind}), in the same "
        f"template or in the model's own, is run on its models, so nothing tells what it gains. Add {add}, or name "
        "'baselines' of the method."
    )
