"""Downloads of a model's packages per day, and how many polls this process has answered.

No number tells of one phone (PRIVACY, *What the server counts*).
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from sqlalchemy import select
from tuf.api.metadata import Targets

from server.release.api.models import load_role
from server.release.api.operation import Call, Operations, Reply
from server.release.auth.principal import Permission
from server.storage.models import PackageDownloads

OPERATIONS = Operations(permission=Permission.READ)

_DAY = 86_400


class DayOfDownloads(msgspec.Struct, frozen=True):
    """One day of one package."""

    sha256: str
    """The package's."""
    day: Annotated[str, msgspec.Meta(description="In UTC, as 2026-12-01.")]
    begun: Annotated[int, msgspec.Meta(description="First bytes sent, in whole twenties.")]
    finished: Annotated[int, msgspec.Meta(description="Last bytes sent, in whole twenties.")]


class Downloads(msgspec.Struct, frozen=True):
    """What is known of how many phones have a model's builds."""

    is_known: bool
    """Whether phones reach this server directly: behind a cache nothing is counted."""
    polls: int
    """Polls of all models that this process has answered."""
    seconds: int
    """For how long it has."""
    items: list[DayOfDownloads]
    """By package and day; a day with fewer than twenty is missing."""


@OPERATIONS.on(
    "GET /models/{codename}/downloads", "List downloads of a model's packages", response=Downloads
)
async def list_downloads(call: Call) -> Reply:
    """List how often a model's packages were downloaded, per day."""
    role = await load_role(call)
    hashes = await asyncio.to_thread(_list_hashes, role)
    query = select(PackageDownloads).where(PackageDownloads.sha256.in_(hashes))
    async with call.services.sessions() as session:
        rows = (
            await session.scalars(
                query.order_by(PackageDownloads.day.desc(), PackageDownloads.sha256)
            )
        ).all()
    polls = call.services.polls()
    items = [DayOfDownloads(row.sha256, _name(row.day), row.begun, row.finished) for row in rows]
    if polls is None:
        return Reply(Downloads(False, 0, 0, items))
    return Reply(Downloads(True, polls.number, int(polls.seconds), items))


def _list_hashes(role: Targets) -> list[str]:
    return sorted({target.hashes["sha256"] for target in role.targets.values()})


def _name(day: int) -> str:
    return f"{datetime.fromtimestamp(day * _DAY, UTC):%Y-%m-%d}"
