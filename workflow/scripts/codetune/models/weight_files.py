"""The weights of a checkpoint as they lie on the disk: whole, of floating-point types, finite. Needs no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import reading
from codetune.base.progress import counted
from codetune.study.model import INDEX

GET_AGAIN = "Get the checkpoint again."
ONE_FILE = "model.safetensors"
POINTER = b"version https://git-lfs"  # start of the file that a git clone without LFS has in place of the weights
CHUNK = 1 << 20  # bytes that are looked at together: they stay in the processor's cache
# For each type of weights its bytes, the bits of the magnitude, and those of the largest number that counts as finite.
# Magnitudes are ordered as their bits are, so that nothing has to be computed. What becomes infinite in bfloat16 counts
# as infinite in the longer types, too: no model has such weights.
FLOATS = {
    "BF16": (2, 0x7FFF, 0x7F7F),
    "F16": (2, 0x7FFF, 0x7BFF),
    "F32": (4, 0x7FFF_FFFF, 0x7F7F_7FFF),
    "F64": (8, 0x7FFF_FFFF_FFFF_FFFF, 0x47EF_EFFF_E000_0000),
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file of the safetensors format.

    Attributes:
        name: Its name.
        type: Its type, in the format's words: BF16, I8, F8_E4M3.
        start: Place of its first byte in the file.
        end: Place after its last byte.
    """

    name: str
    type: str
    start: int
    end: int


def check_weight_files(folder: Path, origin: str) -> None:
    """Checks the weights that would be loaded from a folder, by reading them once.

    What is in memory takes about 0.2 seconds per GB.

    Args:
        folder: Of the checkpoint.
        origin: Where the checkpoint comes from, for messages.

    Raises:
        StudyError: A file is missing, truncated or a mere pointer; a tensor is missing, or in two files; or weights are
            whole numbers, or of 8 bits, or are not finite.
    """
    _check_pointers(folder, origin)
    placed = _places(folder, origin)
    found: dict[str, str] = {}
    for file in sorted(set(placed.values())) or [ONE_FILE]:
        for tensor in counted(_tensors(folder / file, origin), f"checking the weights in {file}", "tensors"):
            if tensor.name in found:
                raise StudyError(f"{origin}: {tensor.name} is in {found[tensor.name]} and in {file}. {GET_AGAIN}")
            found[tensor.name] = file
            _check_type(tensor, origin)
            _check_values(folder / file, tensor, origin)
    for name, file in placed.items():
        if found.get(name) != file:
            raise StudyError(f"{origin}: {INDEX} says that {name} is in {file}, and it is not. {GET_AGAIN}")


def _check_pointers(folder: Path, origin: str) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            if stream.read(len(POINTER)) == POINTER:
                raise StudyError(
                    f"{origin}: {path.name} is a Git LFS pointer to the weights. Run 'git lfs pull' there."
                )


def _places(folder: Path, origin: str) -> dict[str, str]:
    """The file of each tensor, by the index; empty where there is one file, which transformers prefers to an index."""
    if not (folder / INDEX).exists():
        if not (folder / ONE_FILE).exists():
            raise StudyError(
                f"{origin}: there is neither {ONE_FILE} nor {INDEX}, so that it is unknown which files are the "
                f"weights. {GET_AGAIN}"
            )
        return {}
    with reading(f"{origin}: {INDEX}", GET_AGAIN):
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        placed = {str(name): Path(file).name for name, file in index["weight_map"].items()}
    for name in sorted(set(placed.values())):
        if not (folder / name).exists():
            raise StudyError(f"{origin}: {INDEX} names {name}, which is not there. {GET_AGAIN}")
    return {} if (folder / ONE_FILE).exists() else placed


def _tensors(path: Path, origin: str) -> list[StoredTensor]:
    """What the head of a file says is in it."""
    with reading(f"{origin}: {path.name}", GET_AGAIN), path.open("rb") as stream:
        length, size = int.from_bytes(stream.read(8), "little"), path.stat().st_size
        if length > size:
            raise ValueError("not in the safetensors format")
        head = json.loads(stream.read(length))
        tensors = [
            StoredTensor(name, str(entry["dtype"]), *(8 + length + place for place in entry["data_offsets"]))
            for name, entry in head.items()
            if name != "__metadata__"
        ]
        if any(not 8 + length <= tensor.start <= tensor.end for tensor in tensors):
            raise ValueError("a tensor outside the file")
        end = max((tensor.end for tensor in tensors), default=0)
        if end > size:
            raise ValueError(f"cut off: {size:,} of {end:,} bytes")
        return tensors


def _check_type(tensor: StoredTensor, origin: str) -> None:
    """Refuses weights that are codes of a quantisation. Masks and positions may be whole numbers."""
    if tensor.type in FLOATS:
        return
    if tensor.name.endswith("weight") or tensor.type.startswith("F"):
        raise StudyError(
            f"{origin}: {tensor.name} is of type {tensor.type}: the weights are quantised already, and how "
            "they are held is for each method to say ('quantization'). Name the checkpoint with the original weights "
            "in the config."
        )


def _check_values(path: Path, tensor: StoredTensor, origin: str) -> None:
    if tensor.type not in FLOATS:
        return
    with reading(f"{origin}: {path.name}", GET_AGAIN):
        wrong = _count_not_finite(path, tensor)
    if wrong:
        values = "a value that is" if wrong == 1 else f"{wrong:,} values that are"
        raise StudyError(
            f"{origin}: {tensor.name} has {values} not finite: NaN, infinite, or too large for bfloat16. {GET_AGAIN}"
        )


def _count_not_finite(path: Path, tensor: StoredTensor) -> int:
    """Counts the values of a tensor that are not finite. New memory for each chunk would take six times as long."""
    import numpy as np

    width, magnitude, highest = FLOATS[tensor.type]
    found, left = 0, tensor.end - tensor.start
    chunk = np.empty(CHUNK // width, f"<u{width}")
    with path.open("rb") as stream:
        stream.seek(tensor.start)
        while left > 0:
            bits = chunk[: min(CHUNK, left) // width]
            if left % width or stream.readinto(bits.view("u1").data) != bits.nbytes:
                raise ValueError(f"{tensor.name} is cut off")
            np.bitwise_and(bits, magnitude, out=bits)
            if bits.max() > highest:
                found += int(np.count_nonzero(bits > highest))
            left -= bits.nbytes
    return found
