"""Sample content of a system image: libraries and programs of this machine, in AOSP's chunks."""

import bz2
import lzma
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixtures.big_package import CHUNK, Piece
from fixtures.payload_operations import REPLACE, REPLACE_BZ, REPLACE_XZ

PIECES = 24
_SPREAD = 7  # chunks are taken far apart, so that they differ
_NAMES = {REPLACE: "REPLACE", REPLACE_BZ: "REPLACE_BZ", REPLACE_XZ: "REPLACE_XZ"}


def collect_pieces() -> tuple[Piece, ...]:
    """Return pieces of this machine's files, each in the smallest form of a full payload."""
    chunks = [chunk for index, chunk in enumerate(_iter_chunks()) if index % _SPREAD == 0]
    return tuple(map(_smallest, chunks[:PIECES]))


def describe_pieces(pieces: Sequence[Piece]) -> str:
    """Return a description of the forms of the pieces and of their compression."""
    if not pieces:
        return "noise, which does not compress"
    counts = Counter(_NAMES[piece.kind] for piece in pieces)
    forms = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    share = sum(len(piece.data) for piece in pieces) / sum(len(piece.content) for piece in pieces)
    return f"{len(pieces)} different chunks: {forms}; compressed to {share:.0%}"


def _iter_chunks() -> Iterator[bytes]:
    """Yield chunks of the concatenated files below the parent folder of Python's library."""
    rest = b""
    folder = Path(sysconfig.get_paths()["stdlib"]).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            rest += path.read_bytes()
        while len(rest) >= CHUNK:
            yield rest[:CHUNK]
            rest = rest[CHUNK:]


def _smallest(content: bytes) -> Piece:
    # As AOSP's generator: bzip2 -9, and xz with CRC-32, a check that phones support.
    forms = [
        Piece(REPLACE, content, content),
        Piece(REPLACE_BZ, bz2.compress(content, 9), content),
        Piece(REPLACE_XZ, lzma.compress(content, check=lzma.CHECK_CRC32), content),
    ]
    return min(forms, key=lambda piece: len(piece.data))
