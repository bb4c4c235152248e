"""The baselines of methods that name none."""

from collections.abc import Collection
from dataclasses import replace

from codetune.base.errors import StudyError
from codetune.study.method import UNQUANTISED, Method
from codetune.study.runs import NONE, Run
from codetune.study.study import Study

CHAT = "chat"  # the template that is a model's own
IN_WORDS = {"bfloat16": "bf16", "float32": "fp32"}


def with_default_baselines(study: Study, named: Collection[str]) -> Study:
    """Gives baselines to the methods that train or have examples in their prompts, and name none.

    These are the untuned methods without examples whose weights are held alike, in the same template or in the model's
    own; of those in the same template the first comes first. Where the study runs some of them, it is these; where it
    runs none, nothing tells what examples gain. An encoder that gets a decoder in training cannot be asked untuned, so
    that a method of such models alone has none.

    Args:
        study: The study.
        named: Names of the methods that name baselines.

    Raises:
        StudyError: There is none for a method that trains and is run.
    """
    methods = {run.method: study.methods[run.method] for run in study.runs if run.method not in named}
    wanted = {name: method for name, method in methods.items() if method.trains or method.examples}
    found = {name: _untuned_like(method, study) for name, method in wanted.items()}
    for name, baselines in found.items():
        if not baselines and wanted[name].trains and _models_of(wanted[name], study):
            raise StudyError(_say_what_to_add(wanted[name]))
    return replace(
        study,
        methods={
            name: replace(method, baselines=found[name]) if name in found else method
            for name, method in study.methods.items()
        },
    )


def _untuned_like(method: Method, study: Study) -> list[str]:
    """Names of the untuned methods that a method is measured over, those in its own template first."""
    models = _models_of(method, study)
    templates = {
        name: [study.template_of(Run(NONE, model, name, 0)) for model in models]
        for name, other in study.methods.items()
        if name == method.name
        or ((other.kind, other.quantization) == ("untuned", method.quantization) and other.examples is None)
    }
    own = templates.pop(method.name)
    if not models:
        return []
    alike = [
        name for name, of in templates.items() if all(one in (mine, CHAT) for one, mine in zip(of, own, strict=True))
    ]
    run = {one.method for one in study.runs if one.model in models}
    found = [name for name in alike if name in run] or (alike if method.trains else [])
    return sorted(found, key=lambda name: templates[name] != own)


def _models_of(method: Method, study: Study) -> list[str]:
    """The models of a method's runs that can be asked untuned, too."""
    models = dict.fromkeys(run.model for run in study.runs if run.method == method.name)
    return [name for name in models if not study.models[name].is_encoder]


def _say_what_to_add(method: Method) -> str:
    """Says which untuned method a method lacks."""
    assert method.quantization is not None  # as of all methods that train
    kind = method.quantization.type
    held = IN_WORDS[method.quantization.compute_dtype] if kind == UNQUANTISED else kind
    name = "-".join(["base", held, *([method.prompt.name] if method.prompt else [])])
    entry = f"{{quantization: {kind}{f', prompt: {method.prompt.name}' if method.prompt else ''}}}"
    return (
        f"config: methods.{method.name}: there is no untuned method with weights held alike (quantization: {kind}), in "
        f"the same template or in the model's own, so nothing tells what it gains. Add '{name}: {entry}' to methods "
        f"and '{name}' to the runs, or name 'baselines' of the method."
    )
