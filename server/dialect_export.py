"""Exports the dialects as static files, for an nginx or a CDN that answers the apps.

The steps, and the effect of a crash:

1  write packages            a crash leaves files that no list names
2  write lists               each by one rename: an app sees the old list or the new one
3  write `gone.conf`         it answers 410 for withdrawn files
4  remove superfluous files  a crash leaves some of them; the next run removes them
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.compat.options import CompatOptions
from server.compat.pages import Content, Gone, Page
from server.compat.rendering import render
from server.core.errors import FormatError
from server.device.snapshot import EMPTY, load_snapshot
from server.http.answers import Package
from server.storage.blobs import BlobStore
from server.storage.durable import write_durable
from server.storage.layout import StateFolder

READABLE = 0o644
GONE_LIST = "gone.conf"  # included by deploy/nginx/dialects.conf


@dataclass(frozen=True, slots=True)
class DialectsExported:
    """The result of an export: numbers of files, and when a list changes next.

    `next_change` is in epoch seconds, or 0.
    """

    files: int
    written: int
    removed: int
    next_change: int


def export_dialects(
    folder: StateFolder, blobs: BlobStore, options: CompatOptions, out: Path, now: int
) -> DialectsExported:
    """Update the files in `out` to what the dialects answer at `now`, in epoch seconds.

    The files do not follow the clock: export again at `next_change`, and after each publication.
    Raises FormatError if no dialect is configured.
    """
    if not options.dialects:
        raise FormatError("[compat] speaks no dialect: name at least one in `dialects`.")
    rendered = render(options, load_snapshot(folder.public, blobs, EMPTY), now)
    contents = rendered.at(now)
    root = out / "files"
    root.mkdir(parents=True, exist_ok=True)
    written = sum(_write(root, path, each, blobs) for path, each in _in_order(contents))
    gone = sorted(path for path, each in contents.items() if isinstance(each, Gone))
    lines = "".join(f"location = {path} {{ return 410; }}\n" for path in gone)
    if not _has(out / GONE_LIST, lines.encode()):
        write_durable(out / GONE_LIST, lines.encode(), mode=READABLE)
    expected = {path for path, each in contents.items() if not isinstance(each, Gone)}
    removed = 0
    for file in sorted(each for each in root.rglob("*") if each.is_file()):
        if f"/{file.relative_to(root).as_posix()}" not in expected:
            file.unlink()
            removed += 1
    later = [time for time, _ in rendered.changes if time > now]
    return DialectsExported(len(expected), written, removed, min(later, default=0))


def _in_order(contents: dict[str, Content]) -> Iterator[tuple[str, Page | Package]]:
    """Yield packages first, so that no list names a missing file."""
    for kind in (Package, Page):
        for path, content in sorted(contents.items()):
            if isinstance(content, kind):
                yield path, content


def _write(root: Path, path: str, content: Page | Package, blobs: BlobStore) -> bool:
    """Write a file unless it is correct; a package is compared only by its length."""
    file = root / path.removeprefix("/")
    if isinstance(content, Page):
        if _has(file, content.body):
            return False
        write_durable(file, content.body, mode=READABLE)
        return True
    if file.is_file() and file.stat().st_size == content.length:
        return False
    blobs.copy(content.sha256, content.length, file, mode=READABLE, link=False)
    return True


def _has(file: Path, data: bytes) -> bool:
    return file.is_file() and file.read_bytes() == data
