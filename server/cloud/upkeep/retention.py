"""For how long things are kept that are needed no more."""

from dataclasses import dataclass

from server.cloud.settings import DAY, CloudSettings
from server.core.cloud_policy import Lifetimes

HOUR = 60 * 60


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, in seconds, things are kept.

    `sessions` counts from a device's last use, `revisions` from when another revision followed,
    `tombstones` from when an item was deleted, `leftovers` from when an upload's last byte came.
    """

    sessions: int = 400 * DAY
    revisions: int = 30 * DAY
    tombstones: int = 400 * DAY
    leftovers: int = DAY


def retention_of(settings: CloudSettings, days: Lifetimes | None) -> Retention:
    """Return what the settings say, or the policy's `days` where those are fewer."""
    sessions, revisions = settings.session_days, settings.revisions_days
    tombstones = settings.tombstones_days
    if days is not None:
        sessions = min(sessions, days.session_idle)
        revisions, tombstones = min(revisions, days.revisions), min(tombstones, days.tombstones)
    return Retention(
        sessions=sessions * DAY,
        revisions=revisions * DAY,
        tombstones=tombstones * DAY,
        leftovers=settings.leftover_hours * HOUR,
    )
