"""Whether an independent TUF client finds every target, and pointers agree with releases."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT
from server.publisher.audit import AuditPlan, audit_staged
from server.publisher.checks.finding import Finding
from server.publisher.checks.site import Site
from server.publisher.plan import check_pointers
from server.storage.bounded import read_bounded


def check_audit(site: Site) -> Iterator[Finding]:
    """Look with the eyes of a phone that starts from the pinned root."""
    published, folder = site.published, site.folder
    if published is None:
        return
    paths = [path for role in published.roles.values() for path in role.targets]
    try:
        check_pointers(published, published.pointers())
        root = read_bounded(folder.trusted_root, ROOT_LIMIT)
        audit_staged(folder.public, folder.public, root, published.root.version, AuditPlan(paths))
    except (HeningError, OSError) as error:
        yield Finding("audit", "", str(error))
    else:
        yield Finding("audit", f"a TUF client finds all {len(paths)} targets")
