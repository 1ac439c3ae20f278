"""How much of each role's life is used up, and when that is an alarm. Pure.

Offline roles: at 50 % of the life, or with a week left, it is time to sign; at 80 %, or with three
days left, it is late. Online roles are renewed by the server, timestamp every hour and the others
at half of their life, so that in normal operation none is older than half of its life and the half
minute between two looks. For them 50 % counts an hour later (`GRACE`), days do not count, and
either alarm means that renewal fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from server.core.names import is_latest, is_online
from server.publisher.plan import LATEST_LIFE, SNAPSHOT_LIFE, TIMESTAMP_LIFE
from server.publisher.published import Published

Severity = Literal["warning", "critical", "expired"]
SEVERITIES = ("expired", "critical", "warning")  # the worst first
ONLINE_LIVES = {
    "latest": LATEST_LIFE,  # and each of its parts
    "snapshot": SNAPSHOT_LIFE,
    "timestamp": TIMESTAMP_LIFE,
}
ROOT_LIFE = timedelta(days=365)
OFFLINE_LIFE = timedelta(days=90)  # where nothing says when a role was signed
GRACE = timedelta(hours=1)
WARNING, CRITICAL = 0.5, 0.8
# Of an offline role: its signers may be away for a weekend, and first need a week to be found.
WARNING_LEFT, CRITICAL_LEFT = timedelta(days=7), timedelta(days=3)
Begun = Mapping[str, datetime]
"""When the current version of an offline role was logged: it carries no time of signing."""


@dataclass(frozen=True, slots=True)
class Life:
    """One role's current version: from when to when it lives."""

    role: str
    version: int
    begun: datetime
    expires: datetime

    def used(self, now: datetime) -> float:
        """Return the share of the life that is over, 0 to 1."""
        life = self.expires - self.begun
        if life <= timedelta() or now >= self.expires:
            return 1.0
        return max(0.0, (now - self.begun) / life)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A role whose life runs out: the share that is over, what is left, how bad, what to do."""

    role: str
    version: int
    share: float
    left: timedelta
    expires: datetime
    severity: Severity
    what_to_do: str

    def __str__(self) -> str:
        what = (
            "is expired since"
            if self.severity == "expired"
            else f"has used {self.share:.0%} of its life and expires in {_spell(self.left)}, on"
        )
        return f"{self.role} {what} {self.expires:%Y-%m-%d %H:%M} UTC: {self.what_to_do}."


def _spell(left: timedelta) -> str:
    """Return whole days, or hours where there is no whole day."""
    count, unit = (left.days, "day") if left.days else (int(left.total_seconds() // 3600), "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def plan_lives(published: Published, begun: Begun) -> list[Life]:
    """Return the life of every role that is public, root and online ones included."""
    signed = {
        "root": published.root,
        "targets": published.targets,
        **published.roles,
        "snapshot": published.snapshot,
        "timestamp": published.timestamp,
    }
    lives = []
    for name, role in signed.items():
        usual = _usual_life(name)
        start = None if is_online(name) else begun.get(name)
        lives.append(Life(name, role.version, start or role.expires - usual, role.expires))
    return lives


def _usual_life(role: str) -> timedelta:
    if is_latest(role):
        return LATEST_LIFE
    return ONLINE_LIVES.get(role, ROOT_LIFE if role == "root" else OFFLINE_LIFE)


def plan_alarms(lives: list[Life], now: datetime) -> list[Alarm]:
    """Return what is due at `now`, the worst first."""
    return sorted(
        _alarms(lives, now),
        key=lambda alarm: (SEVERITIES.index(alarm.severity), -alarm.share, alarm.role),
    )


def _alarms(lives: list[Life], now: datetime) -> Iterator[Alarm]:
    for life in lives:
        renewed = is_online(life.role)  # by this server
        share, left = life.used(now), life.expires - now
        severity: Severity
        if now >= life.expires:
            severity = "expired"
        elif share >= CRITICAL or (not renewed and left <= CRITICAL_LEFT):
            severity = "critical"
        elif _is_due(life, now, left, renewed=renewed):
            severity = "warning"
        else:
            continue
        remedy = (
            "this server fails to renew it, its log says why"
            if renewed
            else f"sign it again (`hening-signer ceremony renew {life.role}`) and submit it"
        )
        yield Alarm(life.role, life.version, share, left, life.expires, severity, remedy)


def _is_due(life: Life, now: datetime, left: timedelta, *, renewed: bool) -> bool:
    if renewed:
        return life.used(now - GRACE) >= WARNING
    return life.used(now) >= WARNING or left <= WARNING_LEFT
