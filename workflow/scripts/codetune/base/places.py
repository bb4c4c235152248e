"""Where paths lead, through links; what lies in what; and which names of files stay within their folder."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from codetune.base.errors import StudyError

MOST_LINKS = 40  # on the way of one path, as in Linux
LONGEST_NAME = 255  # bytes of one part of a path, in the usual file systems


def places_of(path: str | Path) -> list[Path]:
    """Returns all places that a path leads through: each link on its way, and its end.

    Args:
        path: The path; it may lead to nothing.

    Returns:
        Absolute paths without '..', in which only the last part may be a link; the path's end comes last.

    Raises:
        OSError: The links form a loop, or the path is too long.
    """
    place, *parts = Path(path).absolute().parts
    here, left, links = Path(place), parts[::-1], list[Path]()
    while left:
        part = left.pop()
        here = here.parent if part == ".." else here / part
        if here.is_symlink():
            links.append(here)
            if len(links) > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            left += here.readlink().parts[::-1]
            here = here.parent
    return [*links, here]


def end_of(path: str | Path) -> Path:
    """Returns the place where a path ends, as `places_of` has it."""
    return places_of(path)[-1]


def lies_in(place: Path, folder: Path) -> bool:
    """Whether a place is a folder or lies in it, both as `places_of` returns them.

    Folders that exist are compared by their number on the disk too, since mounts and file systems that ignore case
    give a folder several names.
    """
    return any(one == folder or _is_same(one, folder) for one in (place, *place.parents))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return False


def linked_folders(folders: Iterable[Path], depth: int) -> Iterator[Path]:
    """Yields the ends of all links to folders: of the given paths that are such links, and of those in them.

    Args:
        folders: Paths of folders; others are passed over.
        depth: How many levels of folders to look into.
    """
    for folder in folders:
        with suppress(OSError):
            if folder.is_symlink():
                if folder.is_dir():
                    yield end_of(folder)
            elif depth and folder.is_dir():
                yield from linked_folders(sorted(folder.iterdir()), depth - 1)


def is_plain_name(name: object) -> bool:
    """Whether a name, as a config or a hub gives it, stays within the folder that it is put into.

    Such a name has parts between slashes. None is empty, '.' or '..', and none has a backslash or a character that is
    not printed.
    """
    if not isinstance(name, str) or "\\" in name or not name.isprintable():
        return False
    return all(part not in ("", ".", "..") and len(part.encode()) <= LONGEST_NAME for part in name.split("/"))


def path_within(folder: Path, name: str, origin: str) -> Path:
    """Returns the path of a file in a folder.

    Args:
        folder: The folder.
        name: Name of the file, as somebody else gives it.
        origin: Who gives it, for the message.

    Raises:
        StudyError: The name leads out of the folder, by itself or through a link.
    """
    if not is_plain_name(name):
        raise StudyError(
            f"{origin}: {ascii(name)[:60]} is not a hub's name of a file: those are relative, without '..'. Nothing is "
            "written. Check HF_ENDPOINT and the network."
        )
    path = folder / name
    if (path.is_symlink() and path.is_file()) or not lies_in(end_of(path.parent), end_of(folder)):
        raise StudyError(f"{path} leads out of its folder through a link. Remove the link.")
    return path
