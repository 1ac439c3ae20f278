"""The trail, and whether accounts, tokens, sessions, orders and webhooks are as it says."""

from sqlalchemy import select

from server.core.errors import HeningError
from server.publisher.checks.finding import Finding, confirm, summarise
from server.release.checks.rows import (
    compare_accounts,
    compare_changes,
    compare_sessions,
    compare_tokens,
    compare_webhooks,
)
from server.release.checks.told import Told
from server.release.people.trail import describe
from server.release.people.trail_query import read_trail
from server.release.people.trail_verify import verify_trail
from server.storage.control_models import Account, Change, Token, Webhook, WebSession
from server.storage.database import Sessions


async def check_control_plane(sessions: Sessions) -> list[Finding]:
    """Look at the trail and at what it tells of; changes nothing, and may run beside a server."""

    async def look() -> list[Finding]:
        return [await _trail(sessions), *await _rows(sessions)]

    return await confirm(look)


async def _trail(sessions: Sessions) -> Finding:
    try:
        async with sessions() as session:
            found = await verify_trail(session)
    except HeningError as error:
        return Finding("trail", "", str(error))
    return Finding("trail", f"{found.length} entries, each as it was recorded")


async def _rows(sessions: Sessions) -> list[Finding]:
    told = Told()
    async with sessions() as session:
        accounts = (await session.scalars(select(Account))).all()
        tokens = (await session.scalars(select(Token))).all()
        begun = (await session.scalars(select(WebSession))).all()
        changes = (await session.scalars(select(Change))).all()
        webhooks = (await session.scalars(select(Webhook))).all()
        async for entry in read_trail(session):
            try:
                told.add(describe(entry))
            except HeningError:
                continue  # it is malformed, and named by the look at the trail
    return [
        finding
        for subject, rows, errors in (
            ("accounts", accounts, compare_accounts(told, accounts)),
            ("tokens", tokens, compare_tokens(told, tokens)),
            ("sessions", begun, compare_sessions(told, begun)),
            ("changes", changes, compare_changes(told, changes)),
            ("webhooks", webhooks, compare_webhooks(told, webhooks)),
        )
        for finding in summarise(subject, f"{len(rows)}, each as the trail tells", list(errors))
    ]
