"""Changes that a command makes, told in the trail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from server.cli.in_database import run_in_database
from server.cli.operator import operator
from server.cli.options import now
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from server.storage.database import Sessions


def recorded(
    folder: StateFolder, action: str, subjects: Sequence[str], detail: Mapping[str, Any]
) -> AbstractAsyncContextManager[dict[str, Any]]:
    """Return what records a block's change of a state folder, as done by who runs the command.

    The block may put what came of it into the dict that it is given.
    """
    from server.release.people.trail import recording
    from server.storage.database import open_database

    actor = operator().actor  # reads files, so it comes before any loop runs

    @asynccontextmanager
    async def inside() -> AsyncIterator[dict[str, Any]]:
        async with (
            open_database(folder.database) as sessions,
            recording(
                sessions, now, actor=actor, action=action, subjects=subjects, detail=detail
            ) as outcome,
        ):
            yield outcome

    return inside()


def record_once(folder: StateFolder, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Record one step that is over at once, as done by who runs the command."""
    from server.release.people.trail import record

    actor = operator().actor

    async def tell(sessions: Sessions) -> None:
        async with sessions.begin() as session:
            await record(
                session,
                at=int(now().timestamp()),
                actor=actor,
                action=action,
                subject=subject,
                detail=detail,
            )

    run_in_database(folder, tell)
