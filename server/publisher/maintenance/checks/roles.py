"""Checks that role files are those that were logged, follow from the root, and are valid."""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Root

from server.core.errors import HeningError
from server.core.metadata import check_expiry, decode_root, decode_snapshot
from server.core.names import is_online, metadata_name
from server.device.snapshot import SUPERSEDED
from server.publisher.expiry.alarms import ExcessFinder, list_lifetimes, plan_alarms
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.publisher.maintenance.checks.site import Site
from server.storage.bounded import TEMPORARY
from server.storage.tree import find_roots, load_roots, read_role

_NAME = re.compile(r"([1-9][0-9]{0,15})\.([a-z0-9][a-z0-9_-]{0,31})\.json")
_COPY = "restore public/metadata from a copy."


def check_role_files(site: Site) -> Iterator[Finding]:
    """Check every existing file, and the presence of every version that is served."""
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
            yield f"{name} is not a role file: find out who put it in public/metadata; remove it."
            continue
        role, version = match[2], int(match[1])
        if role == "snapshot":
            error = _look_at_snapshot(site, name, version, roots)
        else:
            error = _look_at_logged(site, name, role, version, logged.get((role, version)))
        if not error and version > site.current.get(role, version) and not site.is_staged:
            error = (
                f"{name} is newer than what is published, and no publication under way has it:"
                " nothing can be published as that version before the file is moved away."
            )
        if error:
            yield error


def _look_at_logged(site: Site, name: str, role: str, version: int, sha256: str | None) -> str:
    if sha256 is None and f"proof/{role}.{version}" in site.log_files:
        return (
            f"{name} is in the public log and not in the database, which is older: run `rebuild`."
        )
    if sha256 is None:
        return (
            f"{name} is not in the log, so that no publication made it: move it away, or nothing"
            " can be published as that version."
        )
    try:
        data = read_role(site.folder.public, role, version)
    except (HeningError, OSError) as error:
        return f"{name} cannot be read: {error}"
    if hashlib.sha256(data).hexdigest() != sha256:
        return f"{name} is not the file that was logged: {_COPY}"
    return ""


def _look_at_snapshot(site: Site, name: str, version: int, roots: list[Root]) -> str:
    try:
        snapshot = decode_snapshot(read_role(site.folder.public, "snapshot", version))
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
        if role == "root":  # all roots are served, and checked separately
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
        with contextlib.suppress(HeningError, OSError):  # it has a finding of its own
            yield decode_root(read_role(site.folder.public, "root", version)).signed


def check_roots(site: Site) -> Iterator[Finding]:
    """Check the root files, each under its version, and `roots.json`."""
    found = find_roots(site.folder.public)
    errors = [*_files(site, found), *_record(site, found)]
    yield from summarise("roots", f"{len(found)} without a gap, each under its version", errors)


def _files(site: Site, found: list[int]) -> Iterator[str]:
    logged = {each.version for each in site.entries if each.role == "root"}
    # A root that is logged and not visible yet waits for its timestamp.
    newest = site.current.get("root", max(logged, default=0))
    gaps = set(range(found[0], newest)) if found else set()
    for version in sorted({*found, *gaps, *(each for each in logged if each <= newest)}):
        name = metadata_name("root", version)
        if version not in found:
            yield f"{name} is not there: restore public/metadata from a copy."
            continue
        try:
            data = read_role(site.folder.public, "root", version)
            if (signed := decode_root(data).signed.version) != version:
                yield f"{name} holds root {signed}: restore public/metadata from a copy."
        except (HeningError, OSError) as error:
            yield f"{name} cannot be read: {error}"


def _record(site: Site, found: list[int]) -> Iterator[str]:
    try:
        record = load_roots(site.folder.public)
    except (HeningError, OSError) as error:
        yield f"roots.json cannot be read, and no phone is answered: {error}"
        return
    if not found or not site.current:
        return
    if record is None:
        yield (
            "roots.json is gone, and the next root would be seen before its timestamp: restore"
            " public/roots.json from a copy."
        )
        return
    versions = [each.version for each in site.entries if each.role == "root"]
    if record.newest not in found or record.newest != max(versions, default=0):
        yield (
            f"roots.json names root {record.newest}, which is not the newest that was logged:"
            " restore public/roots.json from a copy."
        )
    elif site.published and record.timestamp > site.published.timestamp.version:
        if not site.is_staged:
            yield (
                f"root {record.newest} waits for timestamp {record.timestamp}, which no publication"
                " under way has: restore public/ from a copy."
            )
    elif not record.before < record.newest:
        yield "roots.json names no root before the newest: restore public/roots.json from a copy."


def check_expiries(site: Site) -> Iterator[Finding]:
    """Check the expiry of every role, with its alarm.

    Roles that people sign come first; those that the server renews by itself come last.
    """
    published = site.published
    if published is None:
        return
    current = {*published.versions().items(), ("root", published.root.version)}
    starts = {
        entry.role: datetime.fromtimestamp(min(entry.appended_at, site.now.timestamp()), UTC)
        for entry in site.entries
        if (entry.role, entry.version) in current
    }
    alarms = {
        alarm.role: alarm for alarm in plan_alarms(list_lifetimes(published, starts), site.now)
    }
    delegated = sorted(published.roles, key=lambda name: (is_online(name), name))
    signed = published.signed()
    for name in ("root", "targets", *delegated, "snapshot", "timestamp"):
        role = signed[name]
        error = ""
        try:
            check_expiry(name, role, site.now)
        except HeningError as found:
            error = str(found)
        due: Literal["", "warning", "critical"] = ""
        what_to_do = ""
        if (alarm := alarms.get(name)) is not None and alarm.severity != "expired" and not error:
            due, what_to_do = alarm.severity, alarm.what_to_do
        yield Finding(name, f"version {role.version}", error, due, role.expires, what_to_do)


def check_limits(site: Site) -> Iterator[Finding]:
    """Check the times, counters and lifetimes of every role against their limits."""
    if site.published is None:
        return
    found = ExcessFinder(site.folder.public).find(site.published, site.now)
    yield from summarise("limits", "no time or counter is ahead", list(found.values()))
