"""What a file holds besides its raw bytes: cells of a database, compressed text."""

import bz2
import gzip
import lzma
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_SQLITE: Final = b"SQLite format 3\0"
_JOURNALS: Final = ("-wal", "-journal")
_MOST: Final = 256 * 1024 * 1024  # bytes that one file is decompressed to
_CHUNK: Final = 1024 * 1024
_Opening = Callable[[Path], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]
_OPEN: Final[tuple[tuple[bytes, _Opening], ...]] = (
    (b"\x1f\x8b\x08", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)


def load_contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what reading a file by its format gives, each piece with words that say where it was.

    Nothing for a file of no known format: its bytes are searched as they are, as those of every
    file. A database is read from a copy, so that the server's is not touched.
    """
    database = next(
        (Path(str(path).removesuffix(end)) for end in _JOURNALS if str(path).endswith(end)), path
    )
    try:
        with database.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError:
        return  # gone, or already reported as unreadable
    if start == _SQLITE:
        yield from _load_cells(database)
        return
    for magic, opening in _OPEN:
        if start.startswith(magic):
            yield from _decompress(path, opening)


def _decompress(path: Path, opening: _Opening) -> Iterator[tuple[str, bytes]]:
    try:
        with opening(path) as file:
            for number in range(_MOST // _CHUNK):
                data = file.read(_CHUNK)
                if not data:
                    return
                yield f"decompressed from {number} MiB on", data
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return  # cut off, or only looks compressed: its bytes as they are were searched


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
            return  # copied while it was written; its bytes as they are were searched
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
