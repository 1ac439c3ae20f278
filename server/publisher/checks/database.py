"""Whether the database's own file is whole."""

from collections.abc import Iterator

from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site


def check_database(site: Site) -> Iterator[Finding]:
    """Say what SQLite finds; PostgreSQL looks after its files itself."""
    errors = [
        f"SQLite says: {fault}. Restore the database from a copy, then run `rebuild`."
        for fault in site.faults
    ]
    yield from summarise("database", f"{len(site.entries)} leaves of the log are in it", errors)
