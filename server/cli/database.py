"""Runs work in the database of a state folder, and records it for the command's user."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from server.cli.options import now
from server.release.auth.principal import Principal, command_line_principal
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from server.storage.database import Sessions

T = TypeVar("T")


def run_in_database(folder: StateFolder, work: Callable[[Sessions], Awaitable[T]]) -> T:
    """Call `work` with the open, migrated database of a state folder, and return its result."""
    import asyncio

    from server.storage.database import open_database

    async def act() -> T:
        async with open_database(folder.database) as sessions:
            return await work(sessions)

    return asyncio.run(act())


def read_database(folder: StateFolder, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Call `work` with a session of a state folder's database, and return what it reads."""

    async def read(sessions: Sessions) -> T:
        async with sessions() as session:
            return await work(session)

    return run_in_database(folder, read)


def change_database(folder: StateFolder, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Call `work` in a transaction of a state folder's database, and return its result."""

    async def change(sessions: Sessions) -> T:
        async with sessions.begin() as session:
            return await work(session)

    return run_in_database(folder, change)


def epoch() -> int:
    """Return the time in epoch seconds."""
    return int(now().timestamp())


LOGIN = Path("/proc/self/loginuid")
_UNSET = 2**32 - 1


def operator() -> Principal:
    """Return the principal of this command: the user who logged in, or else the process's user.

    Linux keeps the login user across `su` and `sudo`, so that the audit log names a person and not
    root. The environment is not used, because the user could set it.
    """
    uid = os.getuid()
    try:
        login = int(LOGIN.read_text())
    except (OSError, ValueError):
        login = _UNSET
    if login != _UNSET:
        uid = login
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return command_line_principal(name[:64])


def recorded(
    folder: StateFolder, action: str, subjects: Sequence[str], detail: Mapping[str, Any]
) -> AbstractAsyncContextManager[dict[str, Any]]:
    """Return a context that records a block's change of a state folder by the command's user.

    The block gets a dict, to which it may add the outcome.
    """
    from server.release.auth.audit_log import recording
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
    """Record a completed change by the command's user."""
    from server.release.auth.audit_log import record

    actor, at = operator().actor, epoch()
    change_database(
        folder,
        lambda session: record(
            session, at=at, actor=actor, action=action, subject=subject, detail=detail
        ),
    )
