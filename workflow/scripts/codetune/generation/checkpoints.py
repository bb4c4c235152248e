"""The checkpoints that a training curve is drawn from, and their removal once it is drawn."""

from collections.abc import Iterable
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import remove, write_json
from codetune.base.manifests import checked_folder, read_manifest
from codetune.study import layout


def kept_checkpoints(manifest: str) -> Path:
    """Returns the folder of a training's checkpoints.

    Args:
        manifest: The folder's manifest.

    Raises:
        StudyError: The checkpoints were deleted, or are not as the training left them.
    """
    check_kept([manifest])
    return checked_folder(manifest)


def check_kept(manifests: Iterable[str]) -> None:
    """Checks that checkpoints which a curve is to be drawn from were not deleted.

    Args:
        manifests: The manifest of a training's checkpoints, or of those of all trials that one is to be chosen from.

    Raises:
        StudyError: They were, of one training or of several.
    """
    dropped = [str(Path(manifest).parent) for manifest in manifests if note_of(manifest).exists()]
    if dropped:
        raise StudyError(
            f"{dropped[0]}: its checkpoints were deleted after the curve was drawn (keep_checkpoints: none), and the "
            f"curve would have to be drawn anew from them. Undo what changed it, or delete {' and '.join(dropped)} to "
            "train the model again."
        )


def note_of(manifest: str) -> Path:
    """Returns where the note lies that a training's checkpoints were deleted."""
    return Path(manifest).with_name(Path(layout.DROPPED).name)


def drop_checkpoints(manifest: str, note: str | Path) -> None:
    """Deletes a training's checkpoints, but not the one that is its result, and notes that.

    The manifest stays: it says which checkpoints the curve was drawn from.

    Args:
        manifest: The manifest of the checkpoints' folder.
        note: JSON to write into the same folder; a training that is repeated replaces the folder, and with it the note.
    """
    folder, files = Path(manifest).parent, read_manifest(manifest).files
    write_json(note, {"deleted": len(files), "bytes": sum(file.bytes for file in files.values())})
    for name in sorted({name.partition("/")[0] for name in files}):
        remove(folder / name)
    print(f"{len(files)} files deleted")
