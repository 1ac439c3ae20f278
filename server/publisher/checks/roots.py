"""Whether phones find their way from root to root, and which root goes with which timestamp."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT, decode_root
from server.core.names import metadata_name
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.storage.bounded import read_bounded
from server.storage.roots import find_roots, load_roots


def check_roots(site: Site) -> Iterator[Finding]:
    """Look at the root files, one each under its version, and at `roots.json`."""
    found = find_roots(site.folder.public)
    errors = [*_files(site, found), *_record(site, found)]
    yield from summarise("roots", f"{len(found)} without a gap, each under its version", errors)


def _files(site: Site, found: list[int]) -> Iterator[str]:
    logged = {each.version for each in site.entries if each.role == "root"}
    # One that is logged and not visible yet waits for the timestamp that it goes with.
    newest = site.current.get("root", max(logged, default=0))
    gaps = set(range(found[0], newest)) if found else set()
    for version in sorted({*found, *gaps, *(each for each in logged if each <= newest)}):
        name = metadata_name("root", version)
        if version not in found:
            yield f"{name} is not there: restore public/metadata from a copy."
            continue
        try:
            data = read_bounded(site.folder.public / "metadata" / name, ROOT_LIMIT)
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
