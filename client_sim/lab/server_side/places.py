"""The places where a server may keep data: files in folders, files of a process, metrics pages.

The files of a process (Linux) are those that it has mapped or opened for writing. Its memory is not
examined, because data in memory ends with the process. Files are read as raw bytes, and also by
their format: cells of a database, compressed text.
"""

import bz2
import gzip
import hashlib
import http.client
import lzma
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.lab.errors import EnvironmentFailedError

_CHUNK: Final = 4 * 1024 * 1024
_OVERLAP: Final = 4096  # bytes that two chunks share, so that every value is within a chunk
# proc_pid_maps(5): range, permissions with `s` for shared, offset, device, inode, path.
_MAPPED: Final = re.compile(r"([0-9a-f]+-[0-9a-f]+) .w.s \S+ \S+ ([0-9]+)\s+(/.*)")
_MEMORY: Final = ("/dev/zero", "/SYSV", "/memfd:", "/dev/shm/sem.")  # noqa: S108  # no file of ours
_DELETED: Final = " (deleted)"
_SQLITE: Final = b"SQLite format 3\0"
_JOURNALS: Final = ("-wal", "-journal")
_MIB: Final = 1024 * 1024
_UNPACKED: Final = 256  # MiB; the maximum to which one file is decompressed
_Opening = Callable[[Path], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]
_OPEN: Final[tuple[tuple[bytes, _Opening], ...]] = (
    (b"\x1f\x8b\x08", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)

_SECONDS: Final = 30.0
_PAGE: Final = 64 * 1024 * 1024  # bytes of a metrics page


@dataclass(frozen=True, slots=True)
class Places:
    """The places that the operator names for the search."""

    paths: tuple[Path, ...] = ()
    processes: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The state of a file before any request: its length and the SHA-256 of its bytes."""

    length: int
    digest: bytes


def list_files(places: Places) -> dict[str, Path]:
    """Return all files by name; the name of a symbolic link includes its target.

    Sockets and pipes are left out. Raise EnvironmentFailedError for a named place that cannot be
    read.
    """
    found: dict[str, Path] = {}
    for top in places.paths:
        if not top.exists():
            raise EnvironmentFailedError(
                f"{top} does not exist: name a file or folder that the server writes"
            )
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
            raise EnvironmentFailedError(_explain(error)) from error

    for folder, folders, files in os.walk(top, onerror=refuse):
        yield from (Path(folder, name) for name in sorted((*folders, *files)))


def load_states(files: Mapping[str, Path]) -> dict[str, State]:
    """Return the state of every file."""
    states: dict[str, State] = {}
    for name, path in files.items():
        digest, length = hashlib.sha256(), 0
        for _, data in load_chunks(path, overlap=0):
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
            raise EnvironmentFailedError(_explain(error)) from error
    return sizes


def find_changed(
    files: Mapping[str, Path], before: Mapping[str, State]
) -> dict[str, tuple[Path, int]]:
    """Return the changed files, each with the offset at which new bytes begin.

    Canaries are drawn after `before` was read, so unchanged files contain none. In a file that only
    grew, the new bytes begin at its former end.
    """
    changed: dict[str, tuple[Path, int]] = {}
    for name, path in files.items():
        known = before.get(name)
        if known is None:
            changed[name] = (path, 0)
            continue
        start, whole = hashlib.sha256(), hashlib.sha256()
        length = 0
        for _, data in load_chunks(path, overlap=0):
            whole.update(data)
            start.update(data[: max(known.length - length, 0)])
            length += len(data)
        if (length, whole.digest()) != (known.length, known.digest):
            grew = length > known.length and start.digest() == known.digest
            changed[name] = (path, known.length if grew else 0)
    return changed


def load_chunks(path: Path, start: int = 0, overlap: int = _OVERLAP) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and bytes of overlapping chunks of a file from `start` on."""
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
        return  # the file was deleted, so it keeps nothing
    except OSError as error:
        raise EnvironmentFailedError(_explain(error)) from error


def _explain(error: OSError) -> str:
    return f"{error}: run this as the server's user, or as root"


def find_files(pid: int) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of each file that a process or its descendants can write to.

    A deleted file is read through the descriptor or mapping that still refers to it. Yield nothing
    for a process that has ended. Raise EnvironmentFailedError if the files cannot be listed.
    """
    for each in (pid, *_find_descendants(pid)):
        try:
            yield from _find_mapped(each)
            yield from _find_open(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            raise EnvironmentFailedError(
                f"the files of process {each} cannot be listed ({error}): run this as the"
                " server's user, or as root"
            ) from error


def check_process(pid: int) -> None:
    """Raise EnvironmentFailedError unless a process runs and its files can be listed."""
    if not Path(f"/proc/{pid}/maps").exists():
        raise EnvironmentFailedError(
            f"there is no process {pid}, or no /proc: name a running process, on Linux"
        )


def _find_mapped(pid: int) -> Iterator[tuple[str, Path]]:
    for line in (
        Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    ):
        match = _MAPPED.fullmatch(line)
        if match is None or match[3].startswith(_MEMORY):
            continue
        if match[3].endswith(_DELETED):
            name = f"{match[3]} mapped by {pid}"
            yield name, Path(f"/proc/{pid}/map_files/{match[1]}")
        else:
            yield match[3], Path(match[3])


def _find_open(pid: int) -> Iterator[tuple[str, Path]]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(link.readlink())
            info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text(encoding="ascii")
        except FileNotFoundError:
            continue  # the descriptor was closed meanwhile
        flags = re.search(r"^flags:\s+([0-7]+)$", info, re.MULTILINE)
        writes = flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY
        if not writes or not name.startswith("/") or name.startswith(_MEMORY):
            continue
        if not link.is_file():  # a device
            continue
        if name.endswith(_DELETED):
            yield f"{name} open in {pid}", link
        elif Path(name).is_file():
            yield name, Path(name)


def _find_descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(folder.name)] = int(fields.rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:  # grows during the loop
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def load_contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a file by its format, each with a description of its position.

    Yield nothing for an unknown format, because the raw bytes of every file are searched anyway. A
    database is read from a copy, so that the server's file is not touched.
    """
    database = next(
        (Path(str(path).removesuffix(end)) for end in _JOURNALS if str(path).endswith(end)), path
    )
    try:
        with database.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError:
        return  # deleted, or already reported as unreadable
    if start == _SQLITE:
        yield from _load_cells(database)
        return
    for magic, opening in _OPEN:
        if start.startswith(magic):
            yield from _decompress(path, opening)


def _decompress(path: Path, opening: _Opening) -> Iterator[tuple[str, bytes]]:
    try:
        with opening(path) as file:
            for number in range(_UNPACKED):
                data = file.read(_MIB)
                if not data:
                    return
                yield f"decompressed from {number} MiB on", data
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return  # truncated, or not compressed at all; the raw bytes were searched


def _load_cells(database: Path) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        try:
            shutil.copyfile(database, copy)
            for end in _JOURNALS:
                if Path(f"{database}{end}").is_file():
                    shutil.copyfile(f"{database}{end}", f"{copy}{end}")
        except OSError:
            return
        connection = sqlite3.connect(copy)
        connection.text_factory = bytes
        try:
            yield from _read_tables(connection)
        except sqlite3.Error:
            return  # copied while it was written; the raw bytes were searched
        finally:
            connection.close()


def _read_tables(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        quoted = '"' + name.decode("utf-8", "replace").replace('"', '""') + '"'
        shown = name.decode("utf-8", "replace")
        rows = connection.execute(f"SELECT * FROM {quoted}")  # noqa: S608  # quoted as SQL has it
        columns = [column[0] for column in rows.description]
        for number, row in enumerate(rows, 1):
            whole = b"\n".join(_as_bytes(cell) for cell in row)
            yield f"table {shown}, row {number}, columns {', '.join(columns)}", whole


def _as_bytes(cell: object) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "replace")


def load_page(url: str) -> bytes:
    """Load a metrics page by HTTP; raise EnvironmentFailedError if that fails."""
    if not url.startswith(("http://", "https://")):
        raise EnvironmentFailedError(f"{url} is not a metrics URL: write http://HOST:PORT/metrics")
    # No proxy, because the page is on the server's network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            data: bytes = answer.read(_PAGE)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EnvironmentFailedError(
            f"the metrics at {url} cannot be read ({error}): is the server started with them?"
        ) from error
    return data
