"""Where a server may keep something: files below folders, those of a process, pages of metrics."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.lab.errors import SurroundingsError
from client_sim.lab.server_side.processes import find_files

_CHUNK: Final = 4 * 1024 * 1024
_OVERLAP: Final = 4096  # bytes that two chunks share, so that no value lies across


@dataclass(frozen=True, slots=True)
class Places:
    """What the operator points the search at."""

    paths: tuple[Path, ...] = ()
    processes: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What a file was before anything was sent: its length and the sha256 of its bytes."""

    length: int
    digest: bytes


def list_files(places: Places) -> dict[str, Path]:
    """List all files as name and path, and links by what they name; sockets and pipes have none.

    Raises SurroundingsError for what the operator named and cannot be read.
    """
    found: dict[str, Path] = {}
    for top in places.paths:
        if not top.exists():
            raise SurroundingsError(f"{top} is not there: name what the server writes")
        below = _walk(top) if top.is_dir() else ()
        for path in (top, *below):
            if path.is_symlink() and path != top:
                found[f"{path} -> {path.readlink()}"] = path
            elif path.is_file():
                found[str(path)] = path
    for pid in places.processes:
        found.update({name: path for name, path in find_files(pid) if name not in found})
    return found


def _walk(top: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise SurroundingsError(_sentence(error)) from error

    for folder, folders, files in os.walk(top, onerror=refuse):
        yield from (Path(folder, name) for name in sorted((*folders, *files)))


def load_states(files: Mapping[str, Path]) -> dict[str, State]:
    """Read every file once."""
    states: dict[str, State] = {}
    for name, path in files.items():
        digest, length = hashlib.sha256(), 0
        for _, data in _chunks(path, 0, overlap=0):
            digest.update(data)
            length += len(data)
        states[name] = State(length, digest.digest())
    return states


def load_sizes(files: Mapping[str, Path]) -> dict[str, int]:
    """Return the length of every file."""
    sizes: dict[str, int] = {}
    for name, path in files.items():
        try:
            sizes[name] = path.stat().st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SurroundingsError(_sentence(error)) from error
    return sizes


def find_changed(
    files: Mapping[str, Path], before: Mapping[str, State]
) -> dict[str, tuple[Path, int]]:
    """List the files that are not as they were, each with where new bytes begin in it.

    A canary is drawn after `before` was read, so what is as it was holds none. A file that only
    grew is new from its former end on.
    """
    changed: dict[str, tuple[Path, int]] = {}
    for name, path in files.items():
        known = before.get(name)
        if known is None:
            changed[name] = (path, 0)
            continue
        start, whole = hashlib.sha256(), hashlib.sha256()
        length = 0
        for _, data in _chunks(path, 0, overlap=0):
            whole.update(data)
            start.update(data[: max(known.length - length, 0)])
            length += len(data)
        if (length, whole.digest()) != (known.length, known.digest):
            grew = length > known.length and start.digest() == known.digest
            changed[name] = (path, known.length if grew else 0)
    return changed


def load_chunks(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of a file from `start` on, in chunks that overlap."""
    return _chunks(path, start, overlap=_OVERLAP)


def _chunks(path: Path, start: int, *, overlap: int) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return
            while True:
                file.seek(start)
                data = file.read(_CHUNK)
                if not data:
                    return
                yield start, data
                if len(data) < _CHUNK:
                    return
                start += _CHUNK - overlap
    except FileNotFoundError:
        return  # it is gone, so nothing is kept in it
    except OSError as error:
        raise SurroundingsError(_sentence(error)) from error


def _sentence(error: OSError) -> str:
    return f"{error}: run this as the server's user, or as root, who may read all that it writes"
