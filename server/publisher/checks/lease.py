"""Whether the lease of the publisher can end."""

from collections.abc import Iterator

from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site

LONGEST = 3600  # seconds: many times a lease, so that two machines' clocks may differ


def check_lease(site: Site) -> Iterator[Finding]:
    """Look at the row that says who publishes."""
    lease, errors = site.lease, []
    left = 0 if lease is None else lease.expires_at - int(site.now.timestamp())
    if lease is not None and left > LONGEST:
        errors.append(
            f"the lease to publish is taken for {left} more seconds, and nobody else can publish:"
            " stop every server of this state, then set `expires_at` of the table `leases` to 0."
        )
    if lease is not None and lease.fence < 0:
        errors.append(
            f"the fence of the lease is {lease.fence}, and only grows: stop every server of this"
            " state, then delete the row of the table `leases`."
        )
    yield from summarise("lease", "held" if left > 0 else "free", errors)
