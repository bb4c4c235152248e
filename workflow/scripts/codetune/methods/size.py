"""Rule size: how many parameters each method trains of a model, counted by PEFT on a model without weights."""

from collections.abc import Mapping
from pathlib import Path

from codetune.base.files import read_json, write_json
from codetune.base.libraries import FETCH_AGAIN
from codetune.base.plain import to_plain
from codetune.methods.counting import count_parameters
from codetune.models.shapes import has_known_layers, projection_shapes, read_layers
from codetune.study.method import TuningSettings
from codetune.study.sizes import Size, SizeFacts
from codetune.study.targets import check_targets


def write_sizes(checkpoint: Path, model: str, label: str, tunings: Mapping[str, TuningSettings], target: str) -> None:
    """Counts what each method trains of a model, and writes the facts.

    Args:
        checkpoint: Folder with the model's config.json.
        model: Name of the model in the config.
        label: Its label, for messages.
        tunings: What each method trains, by the method's name.
        target: The file to write.

    Raises:
        StudyError: The model lacks what is to be trained, or PEFT cannot put the tuning on it.
    """
    config, layers = read_json(checkpoint / "config.json", FETCH_AGAIN), read_layers(checkpoint)
    sizes = {}
    for method, tuning in tunings.items():
        if has_known_layers(layers):
            check_targets(tuning.peft.get("target_modules"), projection_shapes(layers), label)
        found = count_parameters(config, tuning.peft or None)
        sizes[method] = Size(tuning, found.trainable, found.total)
    write_json(target, to_plain(SizeFacts(model, sizes)))
