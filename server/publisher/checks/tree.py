"""What lies beside the metadata and the log: nothing, and the count of proofs signed again."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.storage.bounded import TEMPORARY
from server.storage.restating import load_restating

_KNOWN = {"metadata", "log", "roots.json", "proofs.json"}


def check_tree(site: Site) -> Iterator[Finding]:
    """Look for what does not belong into `public/`, and at `proofs.json`."""
    public = site.folder.public
    names = {path.name for path in public.iterdir()} if public.is_dir() else set()
    errors = [
        f"public/{name} is nothing that hening writes: find out who put it there, and remove it."
        for name in sorted(names - _KNOWN)
        if not name.startswith(TEMPORARY)
    ]
    try:
        number = load_restating(public)
    except (HeningError, OSError) as error:
        errors.append(f"proofs.json cannot be read, and no phone is answered: {error}")
    else:
        if number % 2 and not site.is_busy and not site.is_staged:
            errors.append(
                f"the log was being signed again (proofs.json, {number}) and that was cut off: run"
                " the `keys` command again that did it, or restore public/proofs.json."
            )
    yield from summarise("tree", "nothing else lies in public/", errors)
