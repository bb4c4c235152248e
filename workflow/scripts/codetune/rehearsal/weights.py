"""Weights that nobody trained: files of the real size whose zeros take no room on the disk."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from codetune.base.files import atomic, sha256_of_file, write_json
from codetune.base.manifests import write_manifest
from codetune.study.runs import Run
from codetune.study.training import TrainingPlan
from codetune.study.tunings import implementation_of

BYTES = {"F32": 4, "BF16": 2}  # of a number


def write_weights(path: Path, shapes: Mapping[str, Sequence[int]], kind: str, about: str) -> None:
    """Writes a file in the safetensors format, all zeros, as a sparse file: its size is real, its blocks are not.

    Args:
        path: The file.
        shapes: The shape of each tensor, by its name.
        kind: Type of the numbers, a key of `BYTES`.
        about: What the file is of, for its metadata; files of two trainings differ by it.
    """
    header: dict[str, object] = {"__metadata__": {"synthetic": about}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + BYTES[kind] * math.prod(shape)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


def shapes_of(count: int, layers: int, modules: Sequence[str], virtual_tokens: int = 0) -> dict[str, list[int]]:
    """The shapes of tensors that hold a number of parameters, about as many in each layer.

    Args:
        count: Number of parameters.
        layers: Number of layers of the model.
        modules: Names of the modules of each layer in which something is trained; none where that is not known.
        virtual_tokens: Number of virtual tokens, which have a tensor of their own.
    """
    if virtual_tokens:
        return {"prompt_embeddings": [virtual_tokens, count // virtual_tokens]}
    places = [f"layers.{layer}.{name}.weights" for layer in range(layers) for name in modules]
    if not places:
        return {"weights": [count]}
    each = count // len(places)
    return {place: [each] for place in places[:-1]} | {places[-1]: [count - each * (len(places) - 1)]}


class Weights:
    """The checkpoints of one made-up training, which are all alike.

    Attributes:
        bytes: Size of the tensors of one of them.
    """

    def __init__(self, run: Run, plan: TrainingPlan, shapes: Mapping[str, Sequence[int]]) -> None:
        """Writes nothing yet.

        Args:
            run: The run, or trial of a search.
            plan: The settings.
            shapes: The shape of each tensor, by its name.
        """
        is_whole = plan.tuning.kind == "full"
        self._kind = "BF16" if is_whole and plan.quantization.compute_dtype == "bfloat16" else "F32"
        self._name, self._shapes = implementation_of(plan.tuning).weights, shapes
        self._about = "/".join(map(str, vars(run).values()))
        self._config = {} if is_whole else {"peft_type": plan.tuning.type, "synthetic": True}
        self.bytes = BYTES[self._kind] * sum(map(math.prod, shapes.values()))

    def write_all(self, tuned: str, checkpoints: str, steps: Sequence[int]) -> str:
        """Writes the folders of the checkpoints and of the best of them.

        Args:
            tuned: Manifest of the folder of the best one.
            checkpoints: Manifest of the folder of all.
            steps: The steps after which they are kept.

        Returns:
            SHA-256 of the weights.
        """
        digest: str | None = None  # computed once, as all are alike
        for manifest, names in ((tuned, [""]), (checkpoints, [f"step-{step:06d}" for step in steps])):
            with atomic(Path(manifest).parent) as folder:
                known = {}
                for name in names:
                    self._write(folder / name)
                    path = Path(name, self._name)
                    digest = digest or sha256_of_file(folder / path)
                    known[path.as_posix()] = digest
                write_manifest(folder, known)
        assert digest is not None
        return digest

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / self._name, self._shapes, self._kind, self._about)
        if self._config:
            write_json(folder / "adapter_config.json", self._config)
