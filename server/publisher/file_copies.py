"""Copies of a state folder's files: all of them without the lease, then under it what changed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, move_durable, sync_file
from server.storage.layout import StateFolder

_Seen = tuple[int, int]  # length in octets, and time of the last change in nanoseconds


class FileCopies:
    """Copies trusted root, public tree, results, staging and settings to another folder.

    Files are replaced by renaming and never written to, so that each has been whole all the time.
    """

    def __init__(self, folder: StateFolder, out: Path) -> None:
        self._folder = folder
        self._out = out
        self._seen: dict[str, _Seen] = {}
        self.copied: set[str] = set()

    def copy_ahead(self) -> None:
        """Copy what is there while others publish; what changes meanwhile is for `copy_rest`."""
        for path, seen in self._list():
            with contextlib.suppress(FileNotFoundError):  # it was replaced or removed
                self._copy(path, seen)

    def copy_rest(self) -> None:
        """Copy what is new since then; its caller sees to it that nothing changes."""
        for path, seen in self._list():
            if self._seen.get(path) != seen:
                self._copy(path, seen)

    def _copy(self, path: str, seen: _Seen) -> None:
        source = Path(path)
        name = str(source.relative_to(self._folder.root))
        target = self._out / name
        present = target.stat() if target.exists() else None
        if present is None or (present.st_size, present.st_mtime_ns) != seen:
            make_folder(target.parent)
            temporary = target.with_name(f"{TEMPORARY}{target.name}")
            shutil.copy2(source, temporary)
            sync_file(temporary)
            move_durable(temporary, target)
            self.copied.add(name)
        self._seen[path] = seen

    def _list(self) -> Iterator[tuple[str, _Seen]]:
        """Yield every file, in the order of the names in a folder."""
        folder = self._folder
        for place in (folder.trusted_root.parent, folder.public, folder.results, folder.staging):
            yield from _walk(str(place))
        if folder.settings.exists():
            found = folder.settings.stat()
            yield str(folder.settings), (found.st_size, found.st_mtime_ns)


def _walk(place: str) -> Iterator[tuple[str, _Seen]]:
    """Walk fast, for everybody waits: without a `Path` for each of many thousand files."""
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif not entry.name.startswith(TEMPORARY):
            with contextlib.suppress(FileNotFoundError):
                stat = entry.stat()
                yield entry.path, (stat.st_size, stat.st_mtime_ns)
