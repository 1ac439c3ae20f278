"""What each tile of a log holds, full or partial, of now or of an earlier size."""

import re
from collections.abc import Iterator, Sequence

from server.core.tiles import WIDTH, changed_tiles, encode_entries, tile_path
from server.core.tlog import leaf_hash, tree_hash

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class LogTiles:
    """The tiles of a log with these entries, each level's hashes worked out once."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._entries = entries
        self._levels = [[leaf_hash(entry) for entry in entries]]
        while len(below := self._levels[-1]) >= WIDTH:
            full = range(0, len(below) - WIDTH + 1, WIDTH)
            self._levels.append([tree_hash(below[at : at + WIDTH]) for at in full])

    def needed(self, size: int) -> Iterator[str]:
        """Yield the paths of the tiles that a tree of `size` leaves consists of."""
        for index, width in changed_tiles(size, 0):
            yield tile_path("entries", index, width)
        for level, _ in enumerate(self._levels):
            for index, width in changed_tiles(size // WIDTH**level, 0):
                yield tile_path(level, index, width)

    def octets(self, path: str) -> bytes | None:
        """Return what the tile at `path` below `log/` holds, None where that is no tile of it."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        level = match[1] if match[1] == "entries" else int(match[1])
        index = int(match[2].replace("/", "").replace("x", ""))
        width = WIDTH if match[3] is None else int(match[3])
        first = index * WIDTH
        if width == 0 or tile_path(level, index, width) != path:
            return None
        if isinstance(level, str):
            part = self._entries[first : first + width]
            return encode_entries(part) if len(part) == width else None
        hashes = self._levels[level] if level < len(self._levels) else []
        found = hashes[first : first + width]
        return b"".join(found) if len(found) == width else None
