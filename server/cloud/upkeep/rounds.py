"""One round of upkeep under the lease, and a round after another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from server.cloud.storage.bodies import Bodies
from server.cloud.storage.lease import UPKEEP, take_lease
from server.cloud.upkeep.bodies import remove_bodies, sweep_uploads
from server.cloud.upkeep.retention import Retention
from server.cloud.upkeep.rows import (
    remove_chunks,
    remove_revisions,
    remove_sessions,
    remove_tombstones,
)
from server.cloud.upkeep.work import Work
from server.core.errors import HeningError
from server.storage.database import Sessions

Step = Callable[[Work], Awaitable[int]]
STEPS: Final[dict[str, Step]] = {
    "sessions": remove_sessions,
    "revisions": remove_revisions,
    "tombstones": remove_tombstones,
    "chunks": remove_chunks,
    "unfinished uploads": sweep_uploads,
    "bodies": remove_bodies,
}
"""What a round does, in this order: what a step frees, a later one removes."""
log = structlog.get_logger()


async def run_round(
    database: Sessions, bodies: Bodies, retention: Retention, now: int
) -> dict[str, int] | None:
    """Do all steps once; returns how much each removed, None where another node is at it.

    Raises StorageError and OSError; what was removed before stays removed.
    """
    lease = await take_lease(database, UPKEEP)
    if lease is None:
        return None
    try:
        work = Work(database, bodies, lease, retention, now)
        return {name: await step(work) for name, step in STEPS.items()}
    finally:
        await lease.release(database)


async def run_rounds(
    database: Sessions,
    bodies: Bodies,
    retention: Callable[[], Awaitable[Retention]],
    now: Callable[[], int],
    seconds: int,
) -> None:
    """Do a round every `seconds` until this is cancelled; a failed one is an alarm.

    `retention` is asked anew for each, since a policy may begin to hold meanwhile.
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            done = await run_round(database, bodies, await retention(), now())
        except (HeningError, OSError) as error:
            log.error("alarm", error=f"upkeep failed: {error}")
            continue
        if done and any(done.values()):
            log.info("upkeep", removed={name: count for name, count in done.items() if count})
