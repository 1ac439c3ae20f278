"""Whether a publication that was accepted can be completed."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.publisher.staging import load_staged
from server.storage.bounded import TEMPORARY


def check_staged(site: Site) -> Iterator[Finding]:
    """Look at `staging/`."""
    staging, errors, detail = site.folder.staging, list[str](), "no publication is under way"
    try:
        found = load_staged(staging)
        if found is not None:
            detail = f"snapshot {found.snapshot_version} is accepted; `run` completes it"
    except (HeningError, OSError) as error:
        if staging.exists():  # it may have become public meanwhile
            errors.append(
                f"the accepted publication cannot be read ({error}), and nothing is published while"
                " it is there: restore staging/publication from a copy, or keep one of it, remove"
                " it, and submit again what it held."
            )
    folder = staging.parent
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    errors += [
        f"staging/{name} is nothing that hening writes: remove it."
        for name in sorted(names - {staging.name})
        if not name.startswith(TEMPORARY)
    ]
    yield from summarise("staging", detail, errors)
