"""From the configuration to the study: checks it, and builds the nouns that all rules are made from."""

import re
from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.answering import check_questions
from codetune.study.baselines import with_default_baselines
from codetune.study.data_entries import build_dataset, check_dataset, check_training_data
from codetune.study.declared import load_tables
from codetune.study.declared_tables import MAIN
from codetune.study.decoding import read_decoding
from codetune.study.defaults import with_defaults
from codetune.study.encoder_decoders import check_encoder_decoders
from codetune.study.evaluations import KEY as TARGETS
from codetune.study.evaluations import MOST_RUNS, Choices, build_evaluations, name_targets
from codetune.study.folders import find_outputs
from codetune.study.gpu_memory import read_gpu_memory
from codetune.study.joint import KEY as JOINT
from codetune.study.joint import Joint, read_joints, without_joints
from codetune.study.left_out import without_unpinned
from codetune.study.method import TRIAL, UNQUANTISED, Kind, Method, Quantization, TuningSettings
from codetune.study.mistakes import unknown_name
from codetune.study.model import NO_MODEL, Model, Source
from codetune.study.peft_keys import check_peft
from codetune.study.prompt import Prompt, read_prompts
from codetune.study.question import read_questions
from codetune.study.runs import NONE, Run
from codetune.study.schema import check_schema
from codetune.study.soft_prompts import check_soft_prompt
from codetune.study.sources import check_sources
from codetune.study.study import Study
from codetune.study.template import check_template_names, read_templates
from codetune.study.training import check_plan
from codetune.study.variants import read_variants

NEEDED_TO_TUNE = ("batch_size", "epochs", "micro_batch")  # keys that each model needs if a run fine-tunes it
OF_TRAINING = (*NEEDED_TO_TUNE, "gradient_checkpointing")  # training settings that stand in a model's entry itself
ENDLESS = re.compile(r"(.{1,3})\1{19}$")  # names that Snakemake refuses, as of rules that call one another for ever
PARTIAL = ".partial"  # ends the names of folders in which downloads collect
Entry = dict[str, Any]  # a part of the configuration


def load_study(config: Entry) -> Study:
    """Checks a configuration and builds the study from it; everything keeps the order of the config.

    Args:
        config: The merged configuration, with the keys of config/config.yaml.

    Raises:
        StudyError: The configuration is wrong; the message says in one line what, where, and what is allowed.
    """
    check_schema(config)
    joints = read_joints(config)
    for name, entry in config["datasets"].items():
        check_dataset(name, entry)
    config = with_defaults(config)
    check_sources(without_joints(config), find_outputs(config))
    _check_names(config)
    study = _build_study(config, joints)
    check_training_data(study)
    check_questions(study)
    study = with_default_baselines(study, {name for name, entry in config["methods"].items() if "baselines" in entry})
    if (count := len(study.trainings)) > MOST_RUNS:
        advice = "Give methods fewer values to search, or split the runs into several studies."
        raise StudyError(f"config: runs: {count:,} trainings are more than {MOST_RUNS:,}. {advice}")
    for run in study.trainings:
        _check_training(run, config["models"][run.model], study)
    check_encoder_decoders(study)
    return without_unpinned(study, config)


def _build_study(config: Entry, joints: Mapping[str, Joint]) -> Study:
    """Builds all nouns of a configuration that has all its keys, and whose names exist."""
    prompts = read_prompts(config)
    methods = {name: _build_method(name, entry, prompts, config) for name, entry in config["methods"].items()}
    decoding = read_decoding(config["generation"])
    choices = Choices(methods, joints, decoding.is_random)
    published = without_joints(config)["datasets"]
    return Study(
        evaluations=build_evaluations(config["runs"], choices),
        models={name: _build_model(name, entry) for name, entry in config["models"].items()},
        methods=methods,
        datasets={name: build_dataset(name, entry, _build_source(entry)) for name, entry in published.items()},
        joints=joints,
        encoders={name: _build_source(entry) for name, entry in config.get("encoders", {}).items()},
        templates=read_templates(config),
        prompts=prompts,
        template=config["tokenization"]["template"],
        training={**config["training"], "max_length": config["tokenization"]["max_length"]},
        decoding=decoding,
        variants=read_variants(config),
        questions=read_questions(config),
        paper=config.get("paper", MAIN),
        declared=load_tables(config.get("paper", MAIN)),
        rehearsal=config["rehearsal"],
        targets=name_targets(config["runs"], choices),
        gpu_memory=read_gpu_memory(config),
    )


def _build_model(name: str, entry: Entry) -> Model:
    return Model(
        name=name,
        label=entry["label"],
        family=entry["family"],
        source=_build_source(entry),
        parameters=entry["parameters"],
        template=entry.get("template"),
        training={key: entry[key] for key in OF_TRAINING if key in entry} | entry.get("training", {}),
        kind=entry.get("kind"),
    )


def _build_method(name: str, entry: Entry, prompts: Mapping[str, Prompt], config: Entry) -> Method:
    prompt = prompts[entry["prompt"]] if "prompt" in entry else None
    kind = _kind_of(entry)
    if kind == "retrieval":
        return Method(name, kind, prompt=prompt)
    quantization = Quantization(**config["quantization"]).of_type(entry.get("quantization"))
    if kind == "untuned":
        return Method(name, kind, quantization, baselines=entry.get("baselines", []), prompt=prompt)
    tuning = TuningSettings(kind, dict(sorted(entry.get("peft", {}).items())))  # in whatever order they stand
    return Method(name, kind, quantization, tuning, entry.get("training", {}), entry.get("baselines", []), prompt)


def _kind_of(entry: Entry) -> Kind:
    """What an entry of the config's `methods` does to a model."""
    if _retrieves(entry):
        return "retrieval"
    return "peft" if "peft" in entry else "full" if entry.get("full") else "untuned"


def _retrieves(entry: Entry) -> bool:
    """Whether an entry of the config's `methods` is a retrieval."""
    return entry.get("kind") == "retrieval"


def _build_source(entry: Entry) -> Source:
    """`./x/` and `x` are one path, so that neither reruns what the other made."""
    if "path" not in entry:
        return Source(**{key: entry[key] for key in ("repo", "revision") if key in entry})
    return Source(str(Path(entry["path"])))


def _check_names(config: Entry) -> None:
    """Checks that every name referred to exists, and that no two things share a name or a folder."""
    for kind in ("datasets", "models", "encoders", "methods", "templates", "prompts"):
        _check_apart(kind, config.get(kind, {}))
    for kind, what in (("datasets", "no training data; give the data set"), ("models", "no model; give this one")):
        for name in config[kind]:
            if name.casefold() == NONE:
                raise StudyError(f"config: {kind}: '{name}' means {what} another name")
    for method, entry in config["methods"].items():
        _check_method(method, entry, config)
    for number, entry in enumerate(config["runs"]):
        for key in ("datasets", "models", "methods", "tests"):
            kind = "datasets" if key == "tests" else key
            for name in entry.get(key, []):
                if name not in config[kind] and (kind, name) != ("models", NONE):
                    raise unknown_name(f"runs[{number}].{key}", name, config[kind])
                if key == "tests" and JOINT in config[kind][name]:
                    raise StudyError(
                        f"config: runs[{number}].tests: '{name}' is joint, which has no test part; name others"
                    )
        for name in entry.get(TARGETS, []):
            if name in config["models"]:
                raise StudyError(f"config: runs[{number}].{TARGETS}: '{name}' is a model already; give another name")
        _check_pairs(f"runs[{number}]", entry, config["methods"])
    _check_labels(config["models"])
    check_template_names(config)


def _check_apart(kind: str, names: Entry) -> None:
    """Checks that names can be those of folders side by side."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise StudyError(
                f"config: {kind}: '{other}' and '{name}' differ in case only, and would share folders on some disks. "
                "Give one of them another name."
            )
        if name.casefold().endswith(PARTIAL):
            raise StudyError(f"config: {kind}: '{name}' ends in '{PARTIAL}', as unfinished downloads do. Rename it.")
        if ENDLESS.search(name):
            raise StudyError(f"config: {kind}: '{name}' ends in twenty times the same. Rename it.")


def _check_pairs(where: str, entry: Entry, methods: Mapping[str, Entry]) -> None:
    """Checks that each method of some runs has a model, unless it is a retrieval, which has none."""
    for model, method in product(entry["models"], entry["methods"]):
        if model == NONE and not _retrieves(methods[method]):
            raise StudyError(
                f"config: {where}: the method '{method}' needs a model, but models has '{NONE}', which is for "
                "methods of the kind retrieval. Give those an entry of runs of their own."
            )
        if model != NONE and _retrieves(methods[method]):
            raise StudyError(
                f"config: {where}: the method '{method}' is a retrieval, which has no model, but models has '{model}'. "
                f"Give it an entry of runs of its own, with 'models: [{NONE}]'."
            )


def _check_method(method: str, entry: Entry, config: Entry) -> None:
    """Checks that what a method names exists, and that it states nothing that says nothing."""
    where, others = f"config: methods.{method}", config["methods"]
    for key in ("quantization", "peft", "full", "training", "baselines", "prompt"):
        if key in entry and _retrieves(entry):
            raise StudyError(f"{where}: '{key}' says nothing with 'kind: retrieval', which has no model; leave it out")
    has_examples = "examples" in config.get("prompts", {}).get(entry.get("prompt"), {})
    for key, more in (("training", ""), ("baselines", ", or a prompt with examples")):
        if key in entry and _kind_of(entry) == "untuned" and not (more and has_examples):
            raise StudyError(f"{where}: '{key}' says nothing without 'peft' or 'full'{more}; add one or leave it out")
    if "peft" in entry and entry.get("full"):
        raise StudyError(f"{where}: 'peft' and 'full' exclude each other; leave one out")
    if "peft" in entry:
        quantization = entry.get("quantization", config["quantization"]["type"])
        check_peft(f"methods.{method}.peft", entry["peft"], quantization)
    if entry.get("full") and entry.get("quantization", config["quantization"]["type"]) != UNQUANTISED:
        raise StudyError(f"{where}: quantised weights cannot be trained; add 'quantization: {UNQUANTISED}'")
    lists = [value for value in entry.get("training", {}).values() if isinstance(value, list)]
    if (trials := prod(map(len, lists))) > MOST_RUNS:
        raise StudyError(f"{where}.training: its lists have {trials:,} combinations; give it fewer values to search")
    for name in entry.get("baselines", []):
        if name not in others:
            raise unknown_name(f"methods.{method}.baselines", name, others)
        if name == method:
            raise StudyError(f"{where}.baselines: a method cannot be its own baseline; name another")
        if _retrieves(others[name]):
            raise StudyError(
                f"{where}.baselines: '{name}' is a retrieval, but gains are over the same model; leave it out, since "
                "tuned models are compared with it in any case"
            )
    if "prompt" in entry and "prompts" not in config:
        raise StudyError(
            f"{where}.prompt: the config has no prompts. Add 'prompts: {{chat: {{template: chat}}}}' to it."
        )
    if "prompt" in entry and entry["prompt"] not in config["prompts"]:
        raise unknown_name(f"methods.{method}.prompt", entry["prompt"], config["prompts"])
    if has_examples and _kind_of(entry) != "untuned":
        raise StudyError(
            f"{where}.prompt: '{entry['prompt']}' has examples, which are for untuned models; name a prompt without"
        )


def _check_labels(models: Entry) -> None:
    """Checks that each model has a label of its own."""
    named: dict[str, str] = {}
    for name, model in models.items():
        if model["label"] == NO_MODEL.label:
            raise StudyError(
                f'config: models.{name}.label: "{NO_MODEL.label}" is what retrieval is called in tables and figures. '
                "Give the model another label."
            )
        other = named.setdefault(model["label"], name)
        if other != name:
            raise StudyError(
                f'config: models.{name}.label: models.{other} is called "{model["label"]}" too; tables and figures '
                "could not tell them apart. Give one of them another label."
            )


def _check_training(run: Run, entry: Entry, study: Study) -> None:
    """Checks that a run has all training settings, and that its batches divide into micro-batches.

    Args:
        run: A run that trains.
        entry: The config's entry of its model.
        study: The study.
    """
    method = study.method_of(run)
    for key in NEEDED_TO_TUNE:
        if key not in {**study.training, **entry, **method.training}:
            raise StudyError(f"config: models.{run.model}: the key '{key}' is missing, and a run fine-tunes this model")
    plan = study.for_training(run)
    name = run.method.partition(TRIAL)[0]  # as the config has it, of a trial, too
    check_soft_prompt(name, run.model, plan)
    check_plan(name, run.model, plan)
