"""The overview page with tasks and the server's state, and the pages of alarms and of keys.

The page of keys shows which roles have to be signed again, by expiry, and with which keys.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from server.compat.options import SENTENCE
from server.console.changes import find_objection
from server.console.page import EVERY, PREFIX, Page, PageContent, Visit
from server.console.rendering import share
from server.console.texts import describe_change
from server.core.names import decode_channel, is_codename, is_latest, is_online
from server.publisher.expiry.alarms import SEVERITIES, Notice, RoleLifetime, Severity
from server.publisher.expiry.monitor import MonitorResult
from server.release.api.channels import ChannelState
from server.release.api.status import RoleState
from server.release.auth.principal import Permission, Principal
from server.release.rollouts.changes import ChangeView
from server.release.uploads.limits import free_bytes

SHOWN = 8  # rows of each list; a link leads to the rest
CLOCK_SECONDS = 5  # a smaller difference of the two clocks is not reported
_NO_ROLES = frozenset({"clock", "disk", "limits", "log", "quota", "server"})
REFUSED = 5  # newest refused changes on the page of alarms
SOON_DAYS = 30  # roles that expire within this time are renewed together
_DAY = 86_400
_MEANINGS = {
    "root": "the keys that all trust starts from",
    "targets": "who signs for which model",
    "tables": "packs with carriers, time zones and certificates",
    "content": "packs with notices, pictures and themes",
    "snapshot": "the list of all current versions",
    "timestamp": "that the list is fresh",
}


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of the process: why it is not ready, and the last result of the expiry monitor.

    `steady` is the clock of signatures, which does not follow jumps of the system clock.
    """

    reasons: Callable[[], Sequence[str]]
    seen: Callable[[], MonitorResult]
    steady: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ExpiryRow:
    """A role's lifetime for a bar: the used permille, and the severity of its alarm."""

    role: str
    version: int
    used: int
    severity: str
    expires: int


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the signed-in account: a badge, a sentence, and a link with its label.

    `badge` is a severity, `approve`, `signed` or the state of a channel. `link` may be empty.
    """

    badge: str
    sentence: str
    link: str = ""
    label: str = ""


class Overview:
    """The overview page, with the state of the process, and the pages of alarms and of keys."""

    def __init__(self, process: ProcessState) -> None:
        self._process = process
        self.pages = (
            Page("GET", f"{PREFIX}/", self.show),
            Page("GET", f"{PREFIX}/alarms", list_alarms),
            Page("GET", f"{PREFIX}/keys", show_keys),
        )

    async def show(self, visit: Visit) -> PageContent:
        """Show the account's tasks, the server's state, and the moving rollouts."""
        services, operations = visit.services, visit.at
        monitored = self._process.seen()
        now = services.clock()
        status = await operations.do("get_status")
        channels = (await operations.do("list_channels", query=EVERY)).items
        waiting = await operations.do("list_changes", query={"state": "waiting", "limit": SHOWN})
        moving = [each for each in channels if _is_moving(each.state, each.permille)]
        tasks = [
            *map(_alarm_task, sort_notices(status.alarms)),
            *[task async for task in _find_approvals(visit, waiting.items)],
            *_find_paused(operations.principal, channels),
            *_find_unoffered(operations.principal, channels, waiting.items),
        ]
        clock_off = round((now - self._process.steady()).total_seconds())
        values = {
            "tasks": tasks,
            "reasons": list(self._process.reasons()),
            "alarms": sort_notices(status.alarms),
            "is_behind": monitored.is_behind,
            "clock_off": clock_off if abs(clock_off) > CLOCK_SECONDS else 0,
            "expiries": _list_expiries(monitored, now)[:SHOWN],
            "roles": len(monitored.lifetimes),
            "free": await asyncio.to_thread(free_bytes, services.folder.root),
            "keep_free": services.settings.keep_free,
            "status": status,
            "states": Counter(each.state for each in channels),
            "channels": len(channels),
            "moving": moving[:SHOWN],
            "more": len(moving) > SHOWN,
            "waiting": waiting.items,
            "more_waiting": waiting.next is not None,
            "dialects": SENTENCE if services.settings.compat.dialects else "",
        }
        return PageContent("overview.html", values)


def _alarm_task(notice: Notice) -> Task:
    link = find_remedy_page(notice)
    return Task(notice.severity, notice.sentence, link, "How to renew it" if link else "")


async def _find_approvals(visit: Visit, waiting: Sequence[ChangeView]) -> AsyncIterator[Task]:
    """Yield a task for each change that the signed-in account may approve."""
    for change in waiting:
        codename = decode_channel(change.channel).codename
        is_approver = visit.at.principal.is_allowed(Permission.APPROVE, codename)
        if is_approver and not await find_objection(visit, change):
            sentence = f"{change.proposed_by} wants to {describe_change(change)}."
            yield Task("approve", sentence, f"{PREFIX}/orders/{change.id}", "Look and decide")


def _find_paused(principal: Principal, channels: Sequence[ChannelState]) -> Iterator[Task]:
    """Yield a task for each paused rollout that the signed-in account may resume."""
    for state in channels:
        codename = decode_channel(state.channel).codename
        if state.state == "paused" and principal.is_allowed(Permission.ROLLOUT, codename):
            title = "" if state.build is None else f" {state.build.title}"
            sentence = f"{state.channel} waits at {share(state.permille)} of{title}."
            yield Task("paused", sentence, f"{PREFIX}/channels/{state.channel}", "Resume or halt")


def _find_unoffered(
    principal: Principal, channels: Sequence[ChannelState], waiting: Sequence[ChangeView]
) -> Iterator[Task]:
    """Yield a task for each channel in which the account may offer a newer build.

    Channels with a waiting offer are left out.
    """
    proposed = {change.channel for change in waiting if change.action == "offer"}
    for state in channels:
        codename = decode_channel(state.channel).codename
        is_allowed = principal.is_allowed(Permission.ROLLOUT, codename)
        if state.newer is not None and is_allowed and state.channel not in proposed:
            sentence = f"{state.newer.title} of {state.channel} is signed and not offered."
            yield Task("signed", sentence, f"{PREFIX}/channels/{state.channel}/offer", "Offer it…")


def _is_moving(state: str, permille: int) -> bool:
    return state in {"paused", "halted"} or (state == "offered" and permille < 1000)


def _list_expiries(monitored: MonitorResult, now: datetime) -> list[ExpiryRow]:
    worst = {alarm.role: alarm.severity for alarm in monitored.alarms}

    def row(lifetime: RoleLifetime) -> ExpiryRow:
        return ExpiryRow(
            lifetime.role,
            lifetime.version,
            round(lifetime.used(now) * 1000),
            worst.get(lifetime.role, ""),
            int(lifetime.expires.timestamp()),
        )

    # Roles that the server itself renews come last, unless they have an alarm.
    return sorted(
        map(row, monitored.lifetimes),
        key=lambda each: (is_online(each.role) and not each.severity, -each.used, each.role),
    )


async def list_alarms(visit: Visit) -> PageContent:
    """Show alarms, most severe first, and the newest refused changes."""
    status = await visit.at.do("get_status")
    refused = await visit.at.do("list_changes", query={"state": "refused", "limit": REFUSED})
    values = {
        "alarms": [(notice, find_remedy_page(notice)) for notice in sort_notices(status.alarms)],
        "refused": refused.items,
        "more": refused.next is not None,
    }
    return PageContent("alarms.html", values)


def sort_notices(notices: list[Notice]) -> list[Notice]:
    """Return notices, most severe first."""
    return sorted(notices, key=lambda notice: SEVERITIES.index(notice.severity))


def find_remedy_page(notice: Notice) -> str:
    """Return the path of the page that explains how to resolve a notice, or an empty text."""
    is_signed_by_people = notice.subject not in _NO_ROLES and not is_online(notice.subject)
    return f"{PREFIX}/keys" if is_signed_by_people else ""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A role with its meaning in words, the seconds until its expiry, and its alarm's severity."""

    role: RoleState
    meaning: str
    remaining: int
    severity: Severity | str


async def show_keys(visit: Visit) -> PageContent:
    """Show when roles expire: those that people sign, and those that the server renews."""
    status = await visit.at.do("get_status")
    severities = {notice.subject: notice.severity for notice in status.alarms}
    rows = [
        KeyRow(
            role,
            describe_role(role.name),
            role.expires - status.time,
            severities.get(role.name, ""),
        )
        for role in sorted(status.roles, key=lambda role: (role.expires, role.name))
    ]
    offline = [row for row in rows if not is_online(row.role.name)]
    values = {
        "offline": offline,
        "online": [row for row in rows if is_online(row.role.name)],
        "renewal": renewal_command(
            row.role.name for row in offline if row.remaining < SOON_DAYS * _DAY
        ),
        "soon": SOON_DAYS,
    }
    return PageContent("keys.html", values)


def describe_role(name: str) -> str:
    """Return the content of a signed role, in words for readers who do not know TUF."""
    if is_latest(name):
        return "what is offered in which channel"
    return f"the builds of {name}" if is_codename(name) else _MEANINGS.get(name, "")


def renewal_command(roles: Iterable[str]) -> str:
    """Return the command that renews `roles`; empty if there are none."""
    names = " ".join(roles)
    return f"hening-signer ceremony renew {names}" if names else ""
