"""What was trained, held against the facts of its training."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file
from codetune.base.manifests import File, checked_folder, read_manifest
from codetune.report.comparing import compare_values
from codetune.study.facts import TrainingFacts
from codetune.study.method import TuningSettings
from codetune.study.soft_prompts import PREFIXES
from codetune.study.tunings import implementation_of, virtual_tokens_of


def differences_in_tuned(facts: TrainingFacts, path: str, tuned: str, published: str) -> list[str]:
    """Checks that what lies there is what the training left, as its manifest has it, and that a copy is published.

    Args:
        facts: Facts of the training.
        path: Where they stand.
        tuned: Manifest of the folder of what was trained.
        published: The model card beside its copy.

    Returns:
        A line for each difference.
    """
    try:
        files = read_manifest(checked_folder(tuned) / Path(tuned).name).files
    except StudyError as error:
        return [str(error)]
    name = implementation_of(facts.plan.tuning).weights
    weights = files.get(name, File(0, "nothing")).sha256
    if weights != facts.tuned_sha256:
        return [f"{path}: tuned_sha256: found {facts.tuned_sha256}, expected {weights} by {tuned}"]
    shapes = _shapes_in(Path(tuned).with_name(name))
    # Earlier versions did not count layers, and not every tuning is one of layers.
    found: dict[str, int] = dict(sorted(facts.adapted.items()))
    lines = [f"{path}: adapted.{line} by the weights" for line in compare_values(found, _layers_in(shapes, found))]
    if virtual := virtual_tokens_of(facts.plan.tuning):
        saved = shapes.get("prompt_embeddings", [0])[0] // _halves_in(Path(tuned).with_name("adapter_config.json"))
        more = compare_values({"virtual tokens": virtual}, {"virtual tokens": saved})
        lines += [f"{path}: {line} by the weights" for line in more]
    for name, file in files.items():
        copy = Path(published).with_name(name)
        if not copy.exists():
            lines.append(f"{copy}: missing beside its model card")
        elif sha256_of_file(copy) != file.sha256:
            lines.append(f"{copy}: not the file of that name that {tuned} describes")
    return lines


def make_sizes(manifest: str, model: str, tunings: Mapping[str, TuningSettings], outputs: Mapping[str, str]) -> None:
    """Makes the file of a model's sizes anew, as rule size does.

    Args:
        manifest: Of the folder with the model's configuration.
        model: Name of the model.
        tunings: What each method trains.
        outputs: Where to write the file: `sizes`.
    """
    from codetune.methods.size import write_sizes  # loads torch, which the rest of a check does without

    write_sizes(checked_folder(manifest), model, tunings, outputs["sizes"])


def _halves_in(path: Path) -> int:
    """For how many halves of a model PEFT saves embeddings: those of an encoder-decoder's both lie in one tensor."""
    config = read_json(path)
    return 2 if config.get("num_transformer_submodules") == 2 and config.get("peft_type") not in PREFIXES else 1


def _layers_in(tensors: Iterable[str], names: Iterable[str]) -> dict[str, int]:
    """How many modules of each name there are among those that tensors belong to, sorted by name."""
    paths = [tensor.split(".") for tensor in tensors]
    return {
        name: len({tuple(path[: path.index(name)]) for path in paths if name in path[:-1]}) for name in sorted(names)
    }


def _shapes_in(path: Path) -> dict[str, list[int]]:
    """The shape of each tensor of a file."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no dictionary)
