"""Checks unsigned files of a state folder: complete, and accessible to its user only."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.core.errors import HeningError
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.publisher.maintenance.checks.site import Site
from server.publisher.staging import load_staged
from server.storage.bounded import TEMPORARY
from server.storage.durable import OTHERS, READABLE
from server.storage.layout import StateFolder
from server.storage.tree import load_proof_renewals

NAMED = 3  # files of one place that are named; further ones are counted


def check_modes(site: Site) -> Iterator[Finding]:
    """Check the modes of folders and files, except settings, which are checked elsewhere."""
    errors = describe_wide(site.folder)
    yield from summarise("modes", "for the server's user alone", errors)


def describe_wide(folder: StateFolder) -> list[str]:
    """Return a sentence for each place with too wide modes, with the command to run.

    In a private folder, a file with too wide a mode is out of reach. It is reported nevertheless: a
    copy or an archive of the folder keeps its mode.
    """
    # Bundles in `incoming` are written by other users, with their own modes, and only briefly.
    single = [folder.root, folder.incoming, *_list_own(folder)]
    trees = [
        folder.keys,
        folder.trusted_root.parent,
        folder.results,
        folder.uploads,
        folder.fetched,
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
    elif place == folder.blobs:  # except those that a mirror made by `export --hardlink` shares
        command = rf"find {target}/ \( -type d -o -links 1 \) -exec chmod go-rwx {{}} +"
    else:
        command = f"chmod -R go-rwx {target}"
    return f"other users may read or change {named}{rest}: run `{command}`."


def _list_own(folder: StateFolder) -> list[Path]:
    """Return the files directly in the state folder: database, its copies, clock, lock."""
    found = sorted(folder.root.iterdir()) if folder.root.is_dir() else []
    return [path for path in found if path != folder.settings and path.is_file()]


def _walk(tree: Path) -> Iterator[Path]:
    yield tree
    for parent, folders, files in os.walk(tree):
        # A bundle that is being removed has its submitter's modes until it is gone.
        folders[:] = sorted(name for name in folders if not name.startswith(TEMPORARY))
        yield from (Path(parent, name) for name in (*folders, *sorted(files)))


def _list_wide(paths: Iterable[Path], shares: bool = False) -> Iterator[tuple[Path, int]]:
    """Yield each path with a too wide mode, and the mode; with `shares`, skip a mirror's files.

    They are hard-linked there, and a mirror is public.
    """
    for path in paths:
        try:
            found = path.lstat()
        except FileNotFoundError:  # missing, or replaced or removed meanwhile
            continue
        is_shared = shares and stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        allowed = READABLE if is_shared else 0
        if found.st_mode & OTHERS & ~allowed and not stat.S_ISLNK(found.st_mode):
            yield path, stat.S_IMODE(found.st_mode)


_KNOWN = {"metadata", "log", "roots.json", "proofs.json"}


def check_tree(site: Site) -> Iterator[Finding]:
    """Report files that do not belong in `public/`, and check `proofs.json`."""
    public = site.folder.public
    names = {path.name for path in public.iterdir()} if public.is_dir() else set()
    errors = [
        f"public/{name} is not a file of hening: find out who put it there, and remove it."
        for name in sorted(names - _KNOWN)
        if not name.startswith(TEMPORARY)
    ]
    try:
        number = load_proof_renewals(public)
    except (HeningError, OSError) as error:
        errors.append(f"proofs.json cannot be read, and no phone is answered: {error}")
    else:
        if number % 2 and not site.is_busy and not site.is_staged:
            errors.append(
                f"signing the log again (proofs.json, {number}) was interrupted: repeat the `keys`"
                " command that did it, or restore public/proofs.json."
            )
    yield from summarise("tree", "no other files in public/", errors)


def check_staged(site: Site) -> Iterator[Finding]:
    """Check the accepted publication, and report files that do not belong in `staging/`."""
    staging, errors, detail = site.folder.staging, list[str](), "no publication is under way"
    try:
        found = load_staged(staging)
        if found is not None:
            detail = f"snapshot {found.snapshot_version} is accepted; `run` completes it"
    except (HeningError, OSError) as error:
        if staging.exists():  # it may have become public meanwhile
            errors.append(
                f"the accepted publication cannot be read ({error}), and nothing is published while"
                " it is there: restore staging/publication from a copy, or move it away, and"
                " submit its content again."
            )
    folder = staging.parent
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    errors += [
        f"staging/{name} is not a file of hening: remove it."
        for name in sorted(names - {staging.name})
        if not name.startswith(TEMPORARY)
    ]
    yield from summarise("staging", detail, errors)


def check_uploads(site: Site) -> Iterator[Finding]:
    """Check the blobs of finished uploads that have not expired."""
    finished = [
        upload
        for upload in site.uploads
        if upload.finished_at is not None and upload.expires_at > site.now.timestamp()
    ]
    errors = []
    try:
        lengths = site.blobs.lengths({upload.sha256 for upload in finished})
        errors = [
            f"upload {upload.id} of {upload.account} is finished, and its blob"
            f" {upload.sha256[:16]} is not there or has no record: have it uploaded again."
            for upload in finished
            if {lengths.get(upload.sha256), site.records.get(upload.sha256)} != {upload.length}
        ]
    except (HeningError, OSError) as error:
        errors = [str(error)]
    yield from summarise("uploads", f"{len(finished)} finished ones have their blobs", errors)


def check_database(site: Site) -> Iterator[Finding]:
    """Report SQLite's integrity check; PostgreSQL checks its files itself."""
    errors = [
        f"SQLite says: {fault}. Restore the database from a copy, then run `rebuild`."
        for fault in site.faults
    ]
    yield from summarise("database", f"{len(site.entries)} leaves of the log are in it", errors)


LONGEST = 3600  # seconds: many times a lease, so that two machines' clocks may differ


def check_lease(site: Site) -> Iterator[Finding]:
    """Check the row of the lease."""
    lease, errors = site.lease, []
    remaining = 0 if lease is None else lease.expires_at - int(site.now.timestamp())
    if lease is not None and remaining > LONGEST:
        errors.append(
            f"the lease to publish is taken for {remaining} more seconds, and no other server can"
            " publish: stop every server of this state, then set `expires_at` of the table"
            " `leases` to 0."
        )
    if lease is not None and lease.fence < 0:
        errors.append(
            f"the fence of the lease is {lease.fence}, and only grows: stop every server of this"
            " state, then delete the row of the table `leases`."
        )
    yield from summarise("lease", "held" if remaining > 0 else "free", errors)
