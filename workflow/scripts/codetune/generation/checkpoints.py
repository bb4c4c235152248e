"""The checkpoints that a training curve is drawn from, and their removal once it is drawn."""

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
    folder = Path(manifest).parent
    if (folder / Path(layout.DROPPED).name).exists():
        raise StudyError(
            f"{folder}: its checkpoints were deleted after the curve was drawn (keep_checkpoints: none), and the curve "
            f"would have to be drawn anew from them. Undo what changed it, or delete {folder} to train the model again."
        )
    return checked_folder(manifest)


def drop_checkpoints(manifest: str, note: str) -> None:
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
