"""The audit log: every change by a caller, each entry chained to the one before by a hash.

Source: docs/FORMATS.md section 11. An entry is written in the transaction of the change that it
records. The row `trail_head` is the one lock of all writers, on SQLite and PostgreSQL alike: the
transaction that updates it first is first. It also has the end of the audit log.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, HeningError
from server.release.auth.principal import holds_token
from server.release.errors import ConflictError
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.models import AuditLogEntry, AuditLogHead, IdempotencyKey


@dataclass(frozen=True, slots=True)
class Claim:
    """An account's idempotency key, and the number of this attempt at its request."""

    account: str
    key: str
    attempt: str


CLAIM: ContextVar[Claim | None] = ContextVar("CLAIM", default=None)
"""The request being served; None if it has no key, and outside of requests."""


async def note_effect(session: AsyncSession, index: int) -> None:
    """Store entry `index` as the effect of the present request, unless it has one already.

    Raises ConflictError where another attempt took the request over: roll the transaction back.
    """
    claim = CLAIM.get()
    if claim is None:
        return
    statement = (
        update(IdempotencyKey)
        .where(
            IdempotencyKey.account == claim.account,
            IdempotencyKey.key == claim.key,
            IdempotencyKey.attempt == claim.attempt,
        )
        .values(effect=func.coalesce(IdempotencyKey.effect, index))
    )
    if cast("CursorResult[Any]", await session.execute(statement)).rowcount != 1:
        raise ConflictError("a repetition with the same key took this request over: ask there.")


NO_ENTRY = "0" * 64
"""The predecessor hash of the first entry."""
DETAIL_LIMIT = 16_384
"""The maximum of an entry's detail in bytes; longer changes are recorded by reference."""
SUBJECT_LIMIT = 200
ACTOR_LIMIT = 80
ACTION_LIMIT = 48


async def record(
    session: AsyncSession,
    *,
    at: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> AuditLogEntry:
    """Append an entry in the transaction that `session` is in; nothing stays if that rolls back.

    `at` is in epoch seconds; `actor` is `Principal.actor`; `action` is a dotted lower-case word
    such as `account.create`; `detail` is a JSON object without secrets. Other writers wait until
    the transaction ends, so call it last, after the rows of the change. Raises FormatError for a
    field over its limit, and for one that holds a token, which would be there for ever.
    """
    text = encode_canonical_json(dict(detail)).decode()
    for name, value, limit in (
        ("actor", actor, ACTOR_LIMIT),
        ("action", action, ACTION_LIMIT),
        ("subject", subject, SUBJECT_LIMIT),
        ("detail", text, DETAIL_LIMIT),
    ):
        if len(value) > limit:
            raise FormatError(
                f"the {name} of an audit log entry is longer than {limit} characters."
            )
        if holds_token(value):
            raise FormatError(f"a token stands in the {name} of this change: revoke it.")
    advance = (
        update(AuditLogHead)
        .values(length=AuditLogHead.length + 1)
        .returning(AuditLogHead.length, AuditLogHead.sha256)
    )
    head = (await session.execute(advance)).one_or_none()
    if head is None:
        raise StorageError(
            "the audit log's head is gone from the database: restore it from a copy."
        )
    entry = AuditLogEntry(
        index=head.length, at=at, actor=actor, action=action, subject=subject, detail=text
    )
    entry.sha256 = entry_hash(entry, head.sha256)
    session.add(entry)
    await session.flush()
    await session.execute(update(AuditLogHead).values(sha256=entry.sha256))
    await note_effect(session, entry.index)
    return entry


async def lock_audit_log(session: AsyncSession) -> None:
    """Wait for all transactions that write audit log entries, and block later ones.

    For a change that depends on what it reads: call it first. It ends with the transaction.
    """
    await session.execute(update(AuditLogHead).values(length=AuditLogHead.length))


def entry_hash(entry: AuditLogEntry, previous: str) -> str:
    """Return the hash of an entry that follows the one whose hash is `previous`."""
    value = {**describe(entry), "previous": previous}
    del value["sha256"]
    return hashlib.sha256(encode_canonical_json(value)).hexdigest()


def describe(entry: AuditLogEntry) -> dict[str, Any]:
    """Return an entry as the JSON object of export and API."""
    return {
        "action": entry.action,
        "actor": entry.actor,
        "at": entry.at,
        "detail": decode_canonical_json(entry.detail.encode(), limit=4 * DETAIL_LIMIT),
        "index": entry.index,
        "sha256": entry.sha256,
        "subject": entry.subject,
    }


_SENTENCE_LIMIT = 500


@contextlib.asynccontextmanager
async def recording(
    sessions: Sessions,
    clock: Callable[[], datetime],
    *,
    actor: str,
    action: str,
    subjects: Sequence[str],
    detail: Mapping[str, Any],
) -> AsyncIterator[dict[str, Any]]:
    """Record what the block does, one entry per subject before it and one after it.

    The block may add its results to the dict that it receives. If it raises, the second entry is
    `failed` with the error's sentence, or for an error of another library its class.
    """
    indices: list[int] = []
    outcome: dict[str, Any] = {}

    async def tell(stage: str, added: Mapping[str, Any]) -> None:
        at = int(clock().timestamp())
        async with sessions.begin() as session:
            for number, subject in enumerate(subjects):
                began = {"began": indices[number]} if stage != "begun" else {}
                entry = await record(
                    session,
                    at=at,
                    actor=actor,
                    action=action,
                    subject=subject,
                    detail={"stage": stage, **began, **added},
                )
                if stage == "begun":
                    indices.append(entry.index)

    await tell("begun", detail)
    try:
        yield outcome
    except Exception as error:
        known = isinstance(error, HeningError)
        sentence = str(error)[:_SENTENCE_LIMIT] if known else type(error).__name__
        await tell("failed", {"error": sentence})
        raise
    await tell("done", outcome)
