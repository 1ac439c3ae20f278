"""Tiles and proofs of the log, in memory; of a log that grew only what is new is read.

Which tiles there can be follows from the checkpoint's size, which proofs from the roles' versions:
a folder of hundreds of thousands of proofs is listed once, at the start.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.core.encodings import decode_decimal
from server.core.errors import FormatError
from server.core.tiles import WIDTH, tile_path
from server.device.documents import Document, make_document
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.restating import load_restating

FILE_LIMIT = 65_536
LEVEL_BITS = 8
_PROOF = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})\.([1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Tiles and proofs by path, and what the next look needs to know of this one.

    The tree's `size`, the `versions` whose proofs are in, and how often proofs were `restated`: a
    proof says the same for ever, but another key of the log may have signed it since.
    """

    documents: Mapping[str, Document] = field(default_factory=dict)
    size: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    restated: int = 0


def load_log_files(
    public: Path, checkpoint: bytes, versions: Mapping[str, int], previous: LogFiles
) -> LogFiles:
    """Read what a log has that `previous` has not; `versions` are the roles' current ones.

    Raises FormatError or OSError where a file cannot be read.
    """
    log = public / "log"
    # Read first: proofs that are signed again from here on are read again the next time.
    restated = load_restating(public)
    size = _size(checkpoint)
    documents = dict(previous.documents)
    for path in _tiles(log, size, previous.size):
        url = f"/{path.relative_to(public).as_posix()}"
        if url not in documents:
            documents[url] = make_document(url, read_bounded(path, FILE_LIMIT), mutable=False)
    is_known = previous.versions and restated == previous.restated and restated % 2 == 0
    proofs = _new_proofs(versions, previous.versions) if is_known else _all_proofs(log, versions)
    for name in proofs:
        path, url = log / "proof" / name, f"/log/proof/{name}"
        if path.is_file():
            body = read_bounded(path, FILE_LIMIT)
            known = documents.get(url)
            if known is None or known.identity.body != body:
                documents[url] = make_document(url, body, mutable=True)
    return LogFiles(documents, size, dict(versions), restated)


def _size(checkpoint: bytes) -> int:
    lines = checkpoint.split(b"\n", 2)
    if len(lines) < 3:
        raise FormatError("the checkpoint has no size.")
    return decode_decimal(lines[1].decode("ascii", "replace"))


def _tiles(log: Path, size: int, since: int) -> Iterator[Path]:
    """Yield the tiles of a tree of `size` leaves that one of `since` need not have had.

    Of a partial tile there is a file for each size that the log had when it was appended to.
    """
    levels: list[tuple[int | str, int]] = [("entries", 0)]
    levels += [(level, level * LEVEL_BITS) for level in range(size.bit_length() // LEVEL_BITS + 1)]
    for level, bits in levels:
        for index in range((since >> bits) // WIDTH, -(-(size >> bits) // WIDTH)):
            full = log / tile_path(level, index, WIDTH)
            if full.is_file():
                yield full
            partial = full.with_name(f"{full.name}.p")
            if partial.is_dir():
                yield from (
                    path
                    for path in sorted(partial.iterdir())
                    if not path.name.startswith(TEMPORARY) and path.is_file()
                )


def _new_proofs(versions: Mapping[str, int], before: Mapping[str, int]) -> Iterator[str]:
    for role, newest in versions.items():
        for version in range(before.get(role, 0) + 1, newest + 1):
            yield f"{role}.{version}"


def _all_proofs(log: Path, versions: Mapping[str, int]) -> Iterator[str]:
    """Yield the names of all proofs of versions that are public or were passed over."""
    folder = log / "proof"
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _PROOF.fullmatch(path.name)
        if match is not None and int(match[2]) <= versions.get(match[1], 0):
            yield path.name
