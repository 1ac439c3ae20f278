"""Alarms: used lifetimes of roles, exceeded limits, and which alarms were raised."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from tuf.api.metadata import Snapshot, Targets, Timestamp

from server.core.errors import HeningError
from server.core.limits import ONLINE_LIFETIMES, SKEW, TIMESTAMP_LIFETIME, find_excess
from server.core.names import is_latest, is_online
from server.core.quantities import spell_size, spell_span
from server.publisher.plan import LATEST_LIFE, SNAPSHOT_LIFE, TIMESTAMP_LIFE
from server.publisher.published import Published, load_signers
from server.storage.room import Room

Severity = Literal["warning", "critical", "expired"]
SEVERITIES = ("expired", "critical", "warning")  # the worst first
USUAL_LIFETIMES = {
    "latest": LATEST_LIFE,  # and each of its parts
    "snapshot": SNAPSHOT_LIFE,
    "timestamp": TIMESTAMP_LIFE,
}
ROOT_LIFETIME = timedelta(days=365)
OFFLINE_LIFETIME = timedelta(days=90)  # for a role without a known time of signing
GRACE = timedelta(hours=1)
WARNING, CRITICAL = 0.5, 0.8
# For offline roles: signers may be away for a weekend, and must be found within a week.
WARNING_LEFT, CRITICAL_LEFT = timedelta(days=7), timedelta(days=3)
Starts = Mapping[str, datetime]
"""When the current version of an offline role was logged: it has no time of signing."""


@dataclass(frozen=True, slots=True)
class RoleLifetime:
    """The lifetime of one role's current version."""

    role: str
    version: int
    begun: datetime
    expires: datetime

    def used(self, now: datetime) -> float:
        """Return the used share of the lifetime, 0 to 1."""
        lifetime = self.expires - self.begun
        if lifetime <= timedelta() or now >= self.expires:
            return 1.0
        return max(0.0, (now - self.begun) / lifetime)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A role that expires soon: used share, time left, severity, what to do."""

    role: str
    version: int
    share: float
    remaining: timedelta
    expires: datetime
    severity: Severity
    what_to_do: str

    def __str__(self) -> str:
        state = "is expired since"
        if self.severity != "expired":
            state = f"expires in {spell_span(int(self.remaining.total_seconds()))}, on"
            if self.share >= (CRITICAL if self.severity == "critical" else WARNING):
                state = f"has used {self.share:.0%} of its lifetime and {state}"
        return f"{self.role} {state} {self.expires:%Y-%m-%d %H:%M} UTC: {self.what_to_do}."


def list_lifetimes(published: Published, begun: Starts) -> list[RoleLifetime]:
    """Return the lifetime of every public role, root and online ones included."""
    lifetimes = []
    for name, role in published.signed().items():
        usual = _usual_lifetime(name)
        start = None if is_online(name) else begun.get(name)
        lifetimes.append(
            RoleLifetime(name, role.version, start or role.expires - usual, role.expires)
        )
    return lifetimes


def _usual_lifetime(role: str) -> timedelta:
    if is_latest(role):
        return LATEST_LIFE
    return USUAL_LIFETIMES.get(role, ROOT_LIFETIME if role == "root" else OFFLINE_LIFETIME)


def plan_alarms(lifetimes: list[RoleLifetime], now: datetime) -> list[Alarm]:
    """Return the alarms that are due at `now`, the worst first."""
    return sorted(
        _alarms(lifetimes, now),
        key=lambda alarm: (SEVERITIES.index(alarm.severity), -alarm.share, alarm.role),
    )


def _alarms(lifetimes: list[RoleLifetime], now: datetime) -> Iterator[Alarm]:
    for lifetime in lifetimes:
        renewed = is_online(lifetime.role)  # by this server
        share, remaining = lifetime.used(now), lifetime.expires - now
        used = lifetime.used(now - GRACE) if renewed else share
        severity: Severity
        if now >= lifetime.expires:
            severity = "expired"
        elif share >= CRITICAL or (not renewed and remaining <= CRITICAL_LEFT):
            severity = "critical"
        elif used >= WARNING or (not renewed and remaining <= WARNING_LEFT):
            severity = "warning"
        else:
            continue
        remedy = (
            "this server fails to renew it, its log says why"
            if renewed
            else f"sign it again (`hening-signer ceremony renew {lifetime.role}`)"
        )
        yield Alarm(
            lifetime.role, lifetime.version, share, remaining, lifetime.expires, severity, remedy
        )


LOW_SPACE_FACTOR = 4  # times keep_free: less free space is a warning
NEARLY_FULL = 0.9  # of the quota: more is a warning


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence that says what is wrong and what to do.

    `subject`: a role, `clock`, `disk`, `limits`, `log`, `quota` or `server`.
    """

    subject: str
    severity: Severity
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def notice_of(alarm: Alarm) -> Notice:
    """Return the notice of a role that expires soon."""
    return Notice(alarm.role, alarm.severity, str(alarm))


def plan_room_notices(free: int, used: int, room: Room) -> Iterator[Notice]:
    """Yield the notices for a disk with `free` bytes, and for `used` bytes of blobs."""
    if free < LOW_SPACE_FACTOR * room.keep_free:
        is_short = free < room.keep_free
        available, floor = spell_size(free), spell_size(room.keep_free)
        yield Notice(
            "disk",
            "critical" if is_short else "warning",
            f"{available} are free on the disk, and"
            + (
                f" below {floor} (`keep_free`) bundles and uploads are refused: make room."
                if is_short
                else f" at {floor} (`keep_free`) bundles and uploads will be refused: make room in"
                " time."
            ),
        )
    if room.quota and used >= NEARLY_FULL * room.quota:
        yield Notice(
            "quota",
            "critical" if used >= room.quota else "warning",
            f"packages take {spell_size(used)} of the {spell_size(room.quota)} that `blob_quota`"
            " allows: collect garbage with `gc`, or raise it.",
        )


REPEAT_AFTER = timedelta(days=1)


class RaisedAlarms:
    """Remembers raised notices, and forgets those that are resolved."""

    def __init__(self) -> None:
        self._raised: dict[str, tuple[Severity, datetime]] = {}

    def due(self, notices: Sequence[Notice], now: datetime) -> list[Notice]:
        """Return the notices to raise at `now`; `notices` are all active ones."""
        due = []
        raised = {}
        for notice in notices:
            severity, at = self._raised.get(notice.subject, ("", now))
            if severity != notice.severity or not timedelta() <= now - at < REPEAT_AFTER:
                due.append(notice)
                at = now
            raised[notice.subject] = (notice.severity, at)
        self._raised = raised
        return due


_LIFETIMES = {**ONLINE_LIFETIMES, "timestamp": TIMESTAMP_LIFETIME}
_LISTED = 3  # of a role's excesses: one wrong value often causes others


@dataclass(slots=True)
class ExcessFinder:
    """Finds exceeded limits in the tree below `public`.

    A version within the limits stays within them, so it is checked once.
    """

    public: Path
    _sound: set[tuple[str, int]] = field(default_factory=set)

    def find(self, published: Published, now: datetime) -> dict[str, str]:
        """Return a sentence by role that says which limits it exceeds at `now`, and what to do.

        It reads only the files of these roles.
        """
        return self._find_online(published, now) | self._find_offline(published, now)

    def _find_offline(self, published: Published, now: datetime) -> dict[str, str]:
        found, seen = {}, set()
        for name, role in {"targets": published.targets, **published.roles}.items():
            if is_latest(name):
                continue
            seen.add((name, role.version))
            if (name, role.version) in self._sound:
                continue
            excess = find_excess(name, role, published.root, now)
            if not excess:
                self._sound.add((name, role.version))
                continue
            command = "renew" if name == "targets" else "reset"  # targets cannot be reset
            more = f" {len(excess) - _LISTED} more like these." if len(excess) > _LISTED else ""
            found[name] = (
                f"{' '.join(excess[:_LISTED])}{more}"
                f" {self._name_keys(name, role.version)} Phones refuse it: take it back with"
                f" `hening-signer ceremony {command} {name}`, and with other keys if those were"
                " stolen."
            )
        self._sound &= seen
        return found

    def _find_online(self, published: Published, now: datetime) -> dict[str, str]:
        latest = {name: role for name, role in published.roles.items() if is_latest(name)}
        online: dict[str, Timestamp | Snapshot | Targets] = {
            "timestamp": published.timestamp,
            "snapshot": published.snapshot,
            **latest,
        }
        return {
            name: f"{name} {role.version} expires on {role.expires:%Y-%m-%d}, so a clock that was"
            f" ahead signed it, or a thief. {self._name_keys(name, role.version)}"
            " Change that key (`hening-server keys new`)."
            for name, role in online.items()
            if role.expires > now + _LIFETIMES.get(name, ONLINE_LIFETIMES["latest"]) + SKEW
        }

    def _name_keys(self, name: str, version: int) -> str:
        try:
            keys = [keyid[:16] for keyid in load_signers(self.public, name, version)]
        except (HeningError, OSError):
            return "Its signatures cannot be read."
        return f"It was signed by the key{'s' if len(keys) > 1 else ''} {', '.join(keys)}."
