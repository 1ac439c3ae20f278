"""Whether each published role holds and until when, and whether it is within its limits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from server.core.errors import HeningError
from server.core.metadata import check_expiry
from server.core.names import is_online
from server.publisher.ahead import AheadFinder
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site
from server.publisher.lives import plan_alarms, plan_lives


def check_expiries(site: Site) -> Iterator[Finding]:
    """Look at the expiry of every role, with the alarm that is due for it.

    Roles that people sign come first; those that the server renews by itself stand last.
    """
    published = site.published
    if published is None:
        return
    current = {*published.versions().items(), ("root", published.root.version)}
    begun = {
        entry.role: datetime.fromtimestamp(min(entry.appended_at, site.now.timestamp()), UTC)
        for entry in site.entries
        if (entry.role, entry.version) in current
    }
    alarms = {alarm.role: alarm for alarm in plan_alarms(plan_lives(published, begun), site.now)}
    signed: list[tuple[str, Root | Snapshot | Timestamp | Targets]] = [
        ("root", published.root),
        ("targets", published.targets),
        *sorted(published.roles.items(), key=lambda pair: (is_online(pair[0]), pair[0])),
        ("snapshot", published.snapshot),
        ("timestamp", published.timestamp),
    ]
    for name, role in signed:
        error = ""
        try:
            check_expiry(name, role, site.now)
        except HeningError as found:
            error = str(found)
        due: Literal["", "warning", "critical"] = ""
        what_to_do = ""
        if (alarm := alarms.get(name)) is not None and alarm.severity != "expired" and not error:
            due, what_to_do = alarm.severity, alarm.what_to_do
        yield Finding(name, f"version {role.version}", error, due, role.expires, what_to_do)


def check_limits(site: Site) -> Iterator[Finding]:
    """Hold the times, counters and lifetimes of every role against their limits."""
    if site.published is None:
        return
    found = AheadFinder(site.folder.public).find(site.published, site.now)
    yield from summarise("limits", "no time or counter is ahead", [each.sentence for each in found])
