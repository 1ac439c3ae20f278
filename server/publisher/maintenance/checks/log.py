"""Checks that rows, tiles, checkpoint and proofs form one log, without further files."""

import re
from collections.abc import Iterator, Sequence

from server.core.checkpoint import (
    MAX_PROOF,
    Checkpoint,
    decode_checkpoint,
    encode_leaf,
    verify_proof,
)
from server.core.errors import HeningError
from server.core.note import VerifierKey
from server.core.profile import log_verifier
from server.core.tiles import WIDTH, changed_tiles, encode_entries, tile_path
from server.core.tlog import leaf_hash, tree_hash
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.publisher.maintenance.checks.site import Site
from server.publisher.published import load_newest_root
from server.storage.bounded import TEMPORARY, read_bounded

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class LogTiles:
    """The tiles of a log with these entries; each level's hashes are computed once."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._entries = entries
        self._levels = [[leaf_hash(entry) for entry in entries]]
        while len(below := self._levels[-1]) >= WIDTH:
            full = range(0, len(below) - WIDTH + 1, WIDTH)
            self._levels.append([tree_hash(below[at : at + WIDTH]) for at in full])

    def needed(self, size: int) -> Iterator[str]:
        """Yield the paths of the tiles of a tree of `size` leaves."""
        for index, width in changed_tiles(size, 0):
            yield tile_path("entries", index, width)
        for level, _ in enumerate(self._levels):
            for index, width in changed_tiles(size // WIDTH**level, 0):
                yield tile_path(level, index, width)

    def data(self, path: str) -> bytes | None:
        """Return the content of the tile at `path` below `log/`; None if it is not in the log."""
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


DAY = 86_400  # seconds; a clock that is further off does not publish
_COPY = "restore public/log from a copy."


def check_log(site: Site) -> Iterator[Finding]:
    """Check every leaf, every file of the log, and every proof."""
    is_begun = site.published or site.checkpoint is not None or site.entries or site.log_files
    if not is_begun:
        yield from summarise("log", "empty: nothing is published yet", [])
        return
    errors = list(_rows(site))
    try:
        entries = [encode_leaf(each.role, each.version, each.sha256) for each in site.entries]
        key = _verifier(site)
        head = decode_checkpoint(site.checkpoint or b"", key)
    except (HeningError, OSError) as error:
        missing = "public/log/checkpoint is not there" if site.checkpoint is None else "the log"
        yield from summarise("log", "", [*errors, f"{missing}: {error} {_COPY.capitalize()}"])
        return
    errors += _head(site, head, entries)
    errors += _files(site, head, entries, key)
    yield from summarise("log", f"{head.size} leaves, every proof holds", errors)


def _verifier(site: Site) -> VerifierKey:
    root = site.published.root if site.published else load_newest_root(site.folder.public)
    if root is None:
        raise FileNotFoundError("no root says by which key the log is signed.")
    return log_verifier(root)


def _rows(site: Site) -> Iterator[str]:
    for expected, entry in enumerate(site.entries):
        label = f"leaf {entry.index} ({entry.role} {entry.version})"
        if entry.index != expected:
            yield f"leaf {expected} is not in the database: run `rebuild`; the tiles have it."
            return
        if not 0 < entry.appended_at <= site.now.timestamp() + DAY:
            yield (
                f"the database says that {label} was logged at a time in the future"
                f" ({entry.appended_at}): the alarms count from it; restore the database."
            )


def _head(site: Site, head: Checkpoint, entries: list[bytes]) -> Iterator[str]:
    if head.size > len(entries):
        yield (
            f"the checkpoint covers {head.size} leaves, but the database has {len(entries)}: run"
            " `rebuild`."
        )
    elif tree_hash([leaf_hash(entry) for entry in entries[: head.size]]) != head.root:
        yield (
            "the database's leaves do not lead to the signed root: one of them was changed by hand;"
            " restore the database, or remove it and run `rebuild`."
        )
    if head.size < len(entries) and not site.is_staged:
        pending = site.entries[head.size]
        yield (
            f"{pending.role} {pending.version} (leaf {head.size}) waits in the database, and no"
            " publication under way has it: the next one logs it for good, so unless that"
            " publication was given up, restore the database."
        )


def _files(site: Site, head: Checkpoint, entries: list[bytes], key: VerifierKey) -> Iterator[str]:
    tiles = LogTiles(entries)
    leaves = {
        f"proof/{each.role}.{each.version}": entry
        for each, entry in zip(site.entries, entries, strict=True)
    }
    needed = {*tiles.needed(min(head.size, len(entries))), *list(leaves)[: head.size]}
    for path in sorted(needed - site.log_files):
        yield f"public/log/{path} is not there: {_COPY}"
    for path in sorted(site.log_files - {"checkpoint"}):
        if path.rpartition("/")[2].startswith(TEMPORARY):
            continue
        file, entry = site.folder.public / "log" / path, leaves.get(path)
        try:
            if entry is not None:
                verify_proof(read_bounded(file, MAX_PROOF), entry, key)
                continue
            expected = tiles.data(path)
            if expected is None:
                yield (
                    f"public/log/{path} belongs to no leaf: find out who put it there, and remove"
                    " it."
                )
            elif read_bounded(file, len(expected)) != expected:
                yield f"public/log/{path} does not match the leaves: {_COPY}"
        except (HeningError, OSError) as error:
            yield f"public/log/{path} is not valid: {error} {_COPY.capitalize()}"
