"""Rule size: how many parameters each method trains of a model, counted by PEFT on a model without weights."""

from collections.abc import Mapping
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import read_json, reading, write_json
from codetune.base.libraries import FETCH_AGAIN
from codetune.base.plain import to_plain
from codetune.methods.counting import count_parameters
from codetune.models.targets import check_architecture
from codetune.study.method import TuningSettings
from codetune.study.model import CONFIG
from codetune.study.sizes import Size, SizeFacts


def write_sizes(checkpoint: Path, model: str, tunings: Mapping[str, TuningSettings], target: str) -> None:
    """Counts what each method trains of a model, and writes the facts.

    Args:
        checkpoint: Folder with the model's config.json.
        model: Name of the model in the config.
        tunings: What each method trains, by the method's name.
        target: The file to write.

    Raises:
        StudyError: The model lacks what is to be trained, or PEFT cannot put the tuning on it.
    """
    config, sizes = read_json(checkpoint / CONFIG, FETCH_AGAIN), {}
    with reading(checkpoint / CONFIG, FETCH_AGAIN):
        str(config["model_type"])  # which a damaged file may lack
    for method, tuning in tunings.items():
        if tuning.peft:
            check_architecture(tuning.peft, config, model)
        found = count_parameters(config, tuning)
        if not found.trainable:
            raise StudyError(
                f"config: methods.{method}: nothing of {model} would be trained. Change the method's keys."
            )
        sizes[method] = Size(tuning, found.trainable, found.total)
    write_json(target, to_plain(SizeFacts(model, sizes)))
