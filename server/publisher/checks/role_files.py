"""Whether each file of `public/metadata` is the one that was logged, and none is missing.

Snapshots are not logged: those hold the signature of a key that a root lists.
"""

import hashlib
import re
from collections.abc import Iterator

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Root

from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT, decode_root, decode_snapshot, metadata_limit
from server.core.names import metadata_name
from server.device.snapshot import SUPERSEDED
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.roots import find_roots

_NAME = re.compile(r"([1-9][0-9]{0,15})\.([a-z0-9][a-z0-9_-]{0,31})\.json")
_COPY = "restore public/metadata from a copy."


def check_role_files(site: Site) -> Iterator[Finding]:
    """Look at every file that is there, and for every version that is served."""
    errors = [*_foreign(site), *_missing(site)]
    if site.unreadable:
        errors.insert(0, f"the public tree cannot be read: {site.unreadable}")
    elif site.published is None:
        errors.insert(
            0,
            "nothing is published yet: submit the ceremony's bundle, which `hening-server run`"
            " publishes.",
        )
    yield from summarise("metadata", f"{len(site.names)} files, each as it was logged", errors)


def _foreign(site: Site) -> Iterator[str]:
    logged = {(each.role, each.version): each.sha256 for each in site.entries}
    roots = list(_roots(site))
    for name in sorted(site.names):
        match = _NAME.fullmatch(name)
        if name == "timestamp.json" or name.startswith(TEMPORARY):
            continue
        if match is None or match[2] == "timestamp":
            yield f"{name} is no role file: find out who put it in public/metadata, and remove it."
            continue
        role, version = match[2], int(match[1])
        if role == "snapshot":
            error = _look_at_snapshot(site, name, version, roots)
        else:
            error = _look_at_logged(site, name, role, logged.get((role, version)))
        if not error and version > site.current.get(role, version) and not site.is_staged:
            error = (
                f"{name} is newer than what is published, and no publication under way has it:"
                " nothing can be published as that version before the file is moved away."
            )
        if error:
            yield error


def _look_at_logged(site: Site, name: str, role: str, sha256: str | None) -> str:
    if sha256 is None and f"proof/{role}.{name.partition('.')[0]}" in site.log_files:
        return (
            f"{name} is in the public log and not in the database, which is older: run `rebuild`."
        )
    if sha256 is None:
        return (
            f"{name} is not in the log, so that no publication made it: move it away, or nothing"
            " can be published as that version."
        )
    try:
        data = read_bounded(site.folder.public / "metadata" / name, metadata_limit(role))
    except (HeningError, OSError) as error:
        return f"{name} cannot be read: {error}"
    if hashlib.sha256(data).hexdigest() != sha256:
        return f"{name} is not the file that was logged: {_COPY}"
    return ""


def _look_at_snapshot(site: Site, name: str, version: int, roots: list[Root]) -> str:
    try:
        data = read_bounded(site.folder.public / "metadata" / name, metadata_limit("snapshot"))
        snapshot = decode_snapshot(data)
    except (HeningError, OSError) as error:
        return f"{name} cannot be read: {error}"
    if snapshot.signed.version != version:
        return f"{name} holds snapshot {snapshot.signed.version}: {_COPY}"
    for root in roots:
        try:
            root.verify_delegate("snapshot", snapshot.signed_bytes, snapshot.signatures)
        except (UnsignedMetadataError, ValueError):
            continue
        return ""
    return f"{name} is not signed by a key that a root lists: {_COPY}"


def _missing(site: Site) -> Iterator[str]:
    logged = {(each.role, each.version) for each in site.entries}
    for role, newest in site.current.items():
        if role == "root":  # all of them are served, and looked at by themselves
            continue
        for version in range(max(1, newest - SUPERSEDED), newest + 1):
            name = metadata_name(role, version)
            if name in site.names:
                continue
            if version == newest or role == "snapshot":
                yield f"{name} is not there and phones or auditors ask for it: {_COPY}"
            elif (role, version) in logged:
                yield (
                    f"{name} is in the log and not there: {_COPY[:-1]}, unless its publication was"
                    " given up by hand; auditors ask about it until it is out of the"
                    f" {SUPERSEDED} versions that stay served."
                )


def _roots(site: Site) -> Iterator[Root]:
    for version in reversed(find_roots(site.folder.public)):
        path = site.folder.public / "metadata" / metadata_name("root", version)
        try:
            root = decode_root(read_bounded(path, ROOT_LIMIT)).signed
        except (HeningError, OSError):
            continue  # it has a finding of its own
        yield root
