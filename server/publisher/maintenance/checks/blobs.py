"""Checks that blobs, their records and the metadata agree; also results, keys and bundles.

Unreferenced blobs are no error: `gc` removes them in time.
"""

from collections.abc import Iterator

from server.core.bundle import MAX_RESULT, decode_result
from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT, decode_root, decode_targets
from server.core.names import is_latest
from server.core.release import named_blobs
from server.publisher.audit import AuditPlan, audit_staged
from server.publisher.errors import MissingKeyError
from server.publisher.incoming import load_submission
from server.publisher.keys.choice import choose_keys, describe_keys
from server.publisher.keys.holder import explain_missing_key, has_own_keys, load_keys
from server.publisher.keys.online_keys import encode_public
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.publisher.maintenance.checks.site import Site
from server.publisher.plan import check_pointers
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY, read_bounded


def check_blobs(site: Site) -> Iterator[Finding]:
    """Check that each target's blob exists with its length."""
    listed, errors = _list_targets(site), []
    try:
        lengths = site.blobs.lengths({sha256 for _, sha256, _ in listed})
        errors = [
            f"the blob of {path} is not there: submit the package again, or restore it from a copy."
            for path, sha256, length in listed
            if lengths.get(sha256) != length
        ]
    except (HeningError, OSError) as error:
        errors = [str(error)]
    yield from summarise("blobs", f"{len(listed)} exist with their length", errors)


def check_records(site: Site) -> Iterator[Finding]:
    """Check the records of ingested blobs, whether or not a target names them."""
    named, unnamed = _list_targets(site), 0
    hashes, errors = {sha256 for _, sha256, _ in named}, list[str]()
    try:
        stored = {blob.sha256: blob.length for blob in site.blobs.list()}
    except (HeningError, OSError) as error:
        errors.append(str(error))
    else:
        unnamed = len(stored.keys() - hashes)
        errors += [
            f"no record says that the blob of {path} was verified: submit it again."
            for path, sha256, length in named
            if site.records.get(sha256) != length
        ]
        errors += [
            f"the blob {sha256[:16]} has a record and is not there: it was removed by hand. A"
            " bundle that needs it has to bring it again."
            for sha256, length in site.records.items()
            if sha256 not in hashes and stored.get(sha256) != length
        ]
    detail = (
        f"{len(site.records)} blobs were verified; {unnamed} in the store are named by no target"
    )
    yield from summarise("records", detail, errors)


def hash_blobs(blobs: BlobStore) -> Iterator[Finding]:
    """Hash every blob of the store again."""
    errors, count = list[str](), 0
    try:
        for blob in blobs.list():
            count += 1
            try:
                blobs.verify(blob.sha256, blob.length)
            except (HeningError, OSError) as error:
                if blobs.length(blob.sha256) is not None:  # it may be collected meanwhile
                    errors.append(
                        f"the blob {blob.sha256[:16]} is damaged ({error}): remove it, and restore"
                        " it from a copy or submit its package again."
                    )
    except (HeningError, OSError) as error:
        errors.append(str(error))
    yield from summarise("hashes", f"{count} blobs hashed again", errors)


def _list_targets(site: Site) -> list[tuple[str, str, int]]:
    """Return path, sha256 and length of every blob that a target names."""
    roles = {} if site.published is None else site.published.roles
    return [
        (path, sha256, length)
        for name, role in roles.items()
        if not is_latest(name)
        for path, target in role.targets.items()
        for sha256, length in named_blobs(target)
    ]


_END = ".json"


def check_submissions(site: Site) -> Iterator[Finding]:
    """Check `results/` against the rows."""
    detail = f"{len(site.submissions)} with their results"
    yield from summarise("submissions", detail, list(_differences(site)))


def _differences(site: Site) -> Iterator[str]:
    for name in sorted(site.results):
        if name.startswith(TEMPORARY):
            continue
        identity = name.removesuffix(_END)
        try:
            result = decode_result(read_bounded(site.folder.results / name, MAX_RESULT))
        except (HeningError, OSError) as error:
            row = site.submissions.get(identity)
            known = f"; the database says {row.status}" if row else ""
            yield (
                f"results/{name} cannot be read ({error}){known}: restore it from a copy, or remove"
                " it if it belongs to no submission."
            )
            continue
        row = site.submissions.get(identity)
        if row is None or result.id != identity:
            yield (
                f"the database does not know submission {identity[:16]}, which has a result: run"
                " `rebuild`."
            )
        elif (row.status, row.reason, row.snapshot, row.finished_at) != (
            result.status,
            result.reason,
            result.snapshot,
            result.time,
        ):
            yield (
                f"submission {identity[:16]} was {row.status} in snapshot {row.snapshot} according"
                f" to the database, and {result.status} in {result.snapshot} according to its"
                " result, or time and reason differ: restore one of the two."
            )
    # In a site of several machines, a folder has only the results of its own machine.
    expected = {} if site.folder.tree is not None else site.submissions
    for identity in sorted(expected.keys() - {n.removesuffix(_END) for n in site.results}):
        yield (
            f"the result of submission {identity[:16]} is gone: restore it from a copy, because"
            " its signer waits for it."
        )


LIMIT = 65_536


def check_keys(site: Site) -> Iterator[Finding]:
    """Check the keys, in the folder or in the key process."""
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
        rest = f"; the next keys of {', '.join(waiting)} wait for `keys switch`" if waiting else ""
    path = site.folder.keys / "public.json"
    try:
        is_same = read_bounded(path, LIMIT) == encode_public(keys)
    except (HeningError, OSError):
        is_same = False
    if not is_same and (path.exists() or not site.folder.keys_socket):
        errors.append(
            "keys/public.json does not match the server's keys: run `hening-server init`, which"
            " writes it again, before it goes to a ceremony."
        )
    yield from summarise("keys", f"root and targets list this server's keys{rest}", errors)


def check_waiting(site: Site) -> Iterator[Finding]:
    """Report bundles that this machine cannot publish, because it lacks the keys that they name."""
    if site.published is None or not has_own_keys(site.folder):
        return
    errors = []
    for folder in sorted(site.folder.fetched.glob("*/*")):
        root, targets = site.published.root, site.published.targets
        try:
            keys = load_keys(site.folder)
            for file in load_submission(folder).files:
                if file.role == "root":
                    root = decode_root(file.data).signed
                elif file.role == "targets":
                    targets = decode_targets(file.role, file.data).signed
            choose_keys(keys, root, targets)
        except MissingKeyError as error:
            errors.append(f"the bundle {folder.name[:16]} waits: {explain_missing_key(error)}")
        except (HeningError, OSError):  # refused when it is its turn, or published by now
            continue
    yield from summarise("waiting bundles", "this machine has the keys of each", errors)


def check_audit(site: Site) -> Iterator[Finding]:
    """Run an independent TUF client from the pinned root, as a new phone would."""
    published, folder = site.published, site.folder
    if published is None:
        return
    paths = [path for role in published.roles.values() for path in role.targets]
    try:
        check_pointers(published, published.pointers())
        root = read_bounded(folder.trusted_root, ROOT_LIMIT)
        newest, plan = published.root.version, AuditPlan(paths)
        audit_staged(folder.public, folder.public, root, newest, plan, site.now)
    except (HeningError, OSError) as error:
        yield Finding("audit", "", str(error))
    else:
        yield Finding("audit", f"a TUF client finds all {len(paths)} targets")
