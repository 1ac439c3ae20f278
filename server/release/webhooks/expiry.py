"""Tells webhooks of a role whose life runs out: once for each version and severity."""

from server.publisher.lives import Alarm
from server.release.webhooks.deliveries import enqueue
from server.release.webhooks.event import ExpiringData, make_event
from server.storage.database import Sessions


async def tell_expiring(sessions: Sessions, alarm: Alarm, now: int) -> None:
    """Queue the event of an alarm; the same alarm again, also after a restart, queues nothing."""
    data = ExpiringData(
        expires=int(alarm.expires.timestamp()),
        percent=int(alarm.share * 100),
        role=alarm.role,
        version=alarm.version,
    )
    occasion = f"{alarm.version}/{alarm.severity}"
    event = make_event(data, subject=alarm.role, time=now, occasion=occasion)
    async with sessions.begin() as session:
        await enqueue(session, event, now)
