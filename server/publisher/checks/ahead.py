"""Whether a published role states a time or counter that is ahead."""

from collections.abc import Iterator

from server.publisher.ahead import AheadFinder
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site


def check_ahead(site: Site) -> Iterator[Finding]:
    """Hold the times, counters and lifetimes of every role against their limits."""
    if site.published is None:
        return
    found = AheadFinder(site.folder.public).find(site.published, site.now)
    yield from summarise("limits", "no time or counter is ahead", [each.sentence for each in found])
