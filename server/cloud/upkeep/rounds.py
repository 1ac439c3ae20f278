"""Run rounds of upkeep under the lease, now or periodically.

One list holds all steps: the tasks that the policy requires, and the removal of old data.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from server.cloud.law.rounds import Law
from server.cloud.settings import CloudSettings
from server.cloud.storage.lease import UPKEEP, prolonging, take_lease
from server.cloud.upkeep.rows import (
    Work,
    remove_bodies,
    remove_chunks,
    remove_revisions,
    remove_sessions,
    remove_tombstones,
    retention_of,
    sweep_uploads,
)
from server.core.errors import HeningError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a round, named by what it counts.

    A step runs every `upkeep_minutes`, or every `law_minutes` if it is `of_law`.
    """

    name: str
    act: Callable[[Work], Awaitable[int]]
    of_law: bool = False


async def erase_due(work: Work) -> int:
    """Run due erasures; prolongs the lease, as a large account may outlast it."""
    async with prolonging(work.lease, work.database):
        return await work.law.erase_due()


STEPS: Final = (
    Step("announced erasures", lambda work: work.law.announce_inactive(), of_law=True),
    Step("breaches to tell", lambda work: work.law.warn_of_breaches(), of_law=True),
    Step("erasures", erase_due, of_law=True),
    Step("forgotten records", lambda work: work.law.forget(), of_law=True),
    Step("sessions", remove_sessions),
    Step("revisions", remove_revisions),
    Step("tombstones", remove_tombstones),
    Step("chunks", remove_chunks),
    Step("unfinished uploads", sweep_uploads),
    Step("bodies", remove_bodies),
)
"""The steps of a round, in order; later steps remove what earlier ones make unused."""
OF_LAW: Final = tuple(step for step in STEPS if step.of_law)


async def run_round(
    law: Law, settings: CloudSettings, steps: Sequence[Step] = STEPS
) -> dict[str, int] | None:
    """Run `steps` once; returns each step's count, or None if another node holds the lease.

    A failing step does not prevent later ones from running. The first HeningError or OSError is
    raised at the end.
    """
    lease = await take_lease(law.database, UPKEEP)
    if lease is None:
        return None
    counts: dict[str, int] = {}
    errors: list[Exception] = []
    try:
        now = law.now()
        signed = await law.policies.current(now)
        retention = retention_of(settings, None if signed is None else signed.policy.days)
        work = Work(law, lease, retention, now)
        for step in steps:
            try:
                counts[step.name] = await step.act(work)
            except (HeningError, OSError) as error:
                errors.append(error)
    finally:
        await lease.release(law.database)
    if errors:
        raise errors[0]
    return counts


async def run_rounds(law: Law, settings: CloudSettings) -> None:
    """Run rounds until cancelled; a failed round logs an alarm, and the next one tries again."""
    for minute in itertools.count(1):
        await asyncio.sleep(60)
        steps = choose_steps(minute, settings)
        if not steps:
            continue
        try:
            counts = await run_round(law, settings, steps)
        except Exception as error:  # noqa: BLE001 - the next round tries again
            log.error("alarm", error=f"upkeep failed: {describe(error)}")
            continue
        if counts and any(counts.values()):
            log.info("upkeep", steps={name: count for name, count in counts.items() if count})


def choose_steps(minute: int, settings: CloudSettings) -> tuple[Step, ...]:
    """Return the steps that a node runs `minute` minutes after its start."""
    return tuple(
        step
        for step in STEPS
        if minute % (settings.law_minutes if step.of_law else settings.upkeep_minutes) == 0
    )


def describe(error: Exception) -> str:
    """Return the message of a HeningError or OSError, and only the type name of other errors."""
    return str(error) if isinstance(error, (HeningError, OSError)) else type(error).__name__
