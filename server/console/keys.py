"""Keys and expiry: what a person has to sign again, the soonest first, and with which keys."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.console.page import PREFIX, Page, PageContent, Visit
from server.core.names import is_codename, is_latest, is_online
from server.publisher.expiry.alarms import Severity
from server.release.api.status import RoleState

SOON_DAYS = 30  # what expires within them is renewed in one go
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
class KeyRow:
    """What expires: what it is in words, seconds left, and the severity of its alarm, if any."""

    role: RoleState
    meaning: str
    left: int
    severity: Severity | str


async def show_keys(visit: Visit) -> PageContent:
    """Show what expires when: what people sign, and what the server renews itself."""
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
        "renewal": renewal_command(row.role.name for row in offline if row.left < SOON_DAYS * _DAY),
        "soon": SOON_DAYS,
    }
    return PageContent("keys.html", values)


def describe_role(name: str) -> str:
    """Return what a signed role holds, in words for a person who knows no TUF."""
    if is_latest(name):
        return "what is offered in which channel"
    return f"the builds of {name}" if is_codename(name) else _MEANINGS.get(name, "")


def renewal_command(roles: Iterable[str]) -> str:
    """Return the command that renews `roles` with all keys at hand; empty without a role."""
    names = " ".join(roles)
    return f"hening-signer ceremony renew {names}" if names else ""


PAGES = (Page("GET", f"{PREFIX}/keys", show_keys),)
