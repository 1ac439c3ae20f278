"""Whether the online keys are there, are those that are listed, and `public.json` tells them."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT
from server.publisher.audit import AuditPlan, audit_staged
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.publisher.key_choice import choose_keys, describe_keys
from server.publisher.key_holder import load_keys
from server.publisher.online_keys import encode_public
from server.publisher.plan import check_pointers
from server.storage.bounded import read_bounded

LIMIT = 65_536


def check_keys(site: Site) -> Iterator[Finding]:
    """Look at the keys, wherever they are."""
    try:
        keys = load_keys(site.folder)
    except (HeningError, OSError) as error:  # a key file may be gone, too
        yield Finding("keys", "", str(error))
        return
    errors, rest = [], ""
    if site.published is not None:
        try:
            choose_keys(keys, site.published.root, site.published.targets)
        except HeningError as error:
            errors.append(str(error))
        waiting = [state.name for state in describe_keys(keys, site.published) if state.following]
        rest = f"; next ones of {', '.join(waiting)} wait to be switched to" if waiting else ""
    path = site.folder.keys / "public.json"
    try:
        is_same = read_bounded(path, LIMIT) == encode_public(keys)
    except (HeningError, OSError):
        is_same = False
    if not is_same and (path.exists() or not site.folder.keys_socket):
        errors.append(
            "keys/public.json does not tell the keys that are held: run `hening-server init`, which"
            " writes it again, before it goes to a ceremony."
        )
    yield from summarise("keys", f"root and targets list this server's keys{rest}", errors)


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
