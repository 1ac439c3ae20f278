"""Whether what became of each submission is told alike by its row and its result."""

from collections.abc import Iterator

from server.core.bundle import MAX_RESULT, decode_result
from server.core.errors import HeningError
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.storage.bounded import TEMPORARY, read_bounded

_END = ".json"


def check_submissions(site: Site) -> Iterator[Finding]:
    """Hold `results/` against the rows."""
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
                " it if it is no submission's."
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
                f"the database says of submission {identity[:16]} that it was {row.status} in"
                f" snapshot {row.snapshot}, its result that it was {result.status} in"
                f" {result.snapshot}, or when and why they differ: restore one of both."
            )
    for identity in sorted(site.submissions.keys() - {n.removesuffix(_END) for n in site.results}):
        yield (
            f"the result of submission {identity[:16]} is gone: restore it from a copy, for its"
            " signer waits for it."
        )
