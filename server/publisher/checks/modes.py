"""Whether other users of the machine may read or change what is in a state folder, by its modes."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.storage.layout import StateFolder
from server.storage.modes import OTHERS, READABLE

NAMED = 3  # wide things of one place that are named, the others are counted


def check_modes(site: Site) -> Iterator[Finding]:
    """Look at the modes of folders and files; those of settings are looked at with the settings."""
    errors = describe_wide(site.folder)
    yield from summarise("modes", "for the server's user alone", errors)


def describe_wide(folder: StateFolder) -> list[str]:
    """Return a sentence for each place whose modes let others in, with the command to run.

    Where the server has narrow folders, an inner file that is wide is out of reach. It is named all
    the same: a copy or an archive of the folder carries its mode along.
    """
    # Bundles in `incoming` are written by others, with modes of their own, and stay for a moment.
    single = [folder.root, folder.incoming, *_list_own(folder)]
    trees = [
        folder.keys,
        folder.trusted_root.parent,
        folder.results,
        folder.uploads,
        folder.staging.parent,
        folder.blobs,
        folder.public,
    ]
    found = [(place, list(_list_wide([place]))) for place in single]
    found += [(place, list(_list_wide(_walk(place), place == folder.blobs))) for place in trees]
    return [_describe(folder, place, wide) for place, wide in found if wide]


def _describe(folder: StateFolder, place: Path, wide: list[tuple[Path, int]]) -> str:
    named = ", ".join(f"{path} ({mode:04o})" for path, mode in wide[:NAMED])
    rest = f" and {len(wide) - NAMED} more" if len(wide) > NAMED else ""
    target = shlex.quote(str(place))
    if place in {folder.root, folder.incoming} or not place.is_dir():
        command = f"chmod go-rwx {target}"
    elif place == folder.blobs:  # but what a mirror made by `export --hardlink` has as well
        command = rf"find {target}/ \( -type d -o -links 1 \) -exec chmod go-rwx {{}} +"
    else:
        command = f"chmod -R go-rwx {target}"
    return f"others may read or change {named}{rest} by mode: run `{command}`."


def _list_own(folder: StateFolder) -> list[Path]:
    """Return the files that are directly in the state folder: database, its copies, clock, lock."""
    found = sorted(folder.root.iterdir()) if folder.root.is_dir() else []
    return [path for path in found if path != folder.settings and path.is_file()]


def _walk(tree: Path) -> Iterator[Path]:
    yield tree
    for parent, folders, files in os.walk(tree):
        folders.sort()
        yield from (Path(parent, name) for name in (*folders, *sorted(files)))


def _list_wide(paths: Iterable[Path], shares: bool = False) -> Iterator[tuple[Path, int]]:
    """Yield each path that is wide, with its mode; with `shares`, not the files of a mirror.

    They have a second name there, and what a mirror holds is public.
    """
    for path in paths:
        try:
            found = path.lstat()
        except FileNotFoundError:  # it is not there, or was replaced or removed meanwhile
            continue
        is_shared = shares and stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        allowed = READABLE if is_shared else 0
        if found.st_mode & OTHERS & ~allowed and not stat.S_ISLNK(found.st_mode):
            yield path, stat.S_IMODE(found.st_mode)
