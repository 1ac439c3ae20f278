"""The audit log: an entry for every change by a caller, each with the hash of the previous entry.

Source: docs/FORMATS.md section 11. An entry is written in the transaction of the change that it
records. The row `trail_head` holds the length and the last hash of the log. Every writer updates
it first, which makes it the writers' lock, on SQLite and PostgreSQL alike.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, func, update
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
    """An account's idempotency key, and the id of the present attempt at its request."""

    account: str
    key: str
    attempt: str

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Return the SQL conditions for the row of the key, while this attempt has it."""
        return (
            IdempotencyKey.account == self.account,
            IdempotencyKey.key == self.key,
            IdempotencyKey.attempt == self.attempt,
        )


CLAIM: ContextVar[Claim | None] = ContextVar("CLAIM", default=None)
"""The claim of the request being served; None if it has no key, and outside of requests."""


async def note_effect(session: AsyncSession, index: int) -> None:
    """Store entry `index` as the effect of the current request, unless it has one already.

    Raises ConflictError if another attempt took the request over: roll the transaction back.
    """
    claim = CLAIM.get()
    if claim is None:
        return
    statement = (
        update(IdempotencyKey)
        .where(*claim.conditions())
        .values(effect=func.coalesce(IdempotencyKey.effect, index))
    )
    if cast("CursorResult[Any]", await session.execute(statement)).rowcount != 1:
        raise ConflictError(
            "a repetition with the same key took this request over: wait for its answer."
        )


NO_ENTRY = "0" * 64
"""The predecessor hash of the first entry."""
DETAIL_LIMIT = 16_384
"""The maximum of an entry's detail in bytes; longer values are recorded by their hash."""
SERVER = "server"
"""The actor of changes that the server makes without a caller."""
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
    """Append an entry in the transaction of `session`; a rollback removes it.

    `at` is in epoch seconds; `actor` is `Principal.actor`; `action` is a dotted lower-case word
    such as `account.create`; `detail` is a JSON object without secrets. Other writers wait until
    the transaction ends, so call it last, after the rows of the change. Raises FormatError for a
    field over its limit, and for a field with a token, since entries are never removed.
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
            raise FormatError(f"the {name} of this change contains a token: revoke the token.")
    advance = (
        update(AuditLogHead)
        .values(length=AuditLogHead.length + 1)
        .returning(AuditLogHead.length, AuditLogHead.sha256)
    )
    head = (await session.execute(advance)).one_or_none()
    if head is None:
        raise StorageError(
            "the audit log's head is gone from the database: restore it from a backup."
        )
    entry = AuditLogEntry(
        index=head.length, at=at, actor=actor, action=action, subject=subject, detail=text
    )
    entry.sha256 = hash_entry(describe(entry), head.sha256)
    session.add(entry)
    await session.flush()
    await session.execute(update(AuditLogHead).values(sha256=entry.sha256))
    await note_effect(session, entry.index)
    return entry


async def lock_audit_log(session: AsyncSession) -> None:
    """Lock the audit log: wait for the transactions that write entries, and block later ones.

    Call it first in a change that depends on what it reads. The transaction's end releases it.
    """
    await session.execute(update(AuditLogHead).values(length=AuditLogHead.length))


def hash_entry(entry: Mapping[str, Any], previous: str) -> str:
    """Return the hash of a described entry; `previous` is the hash of the entry before it."""
    value = {**entry, "previous": previous}
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
    """Record what the block does, with one entry per subject before it and one after it.

    The block may add its results to the yielded dict. If the block raises, the second entry is
    `failed` with the error's message, or with the class of an error that is not a HeningError.
    """
    indices: list[int] = []
    outcome: dict[str, Any] = {}

    async def write(stage: str, added: Mapping[str, Any]) -> None:
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

    await write("begun", detail)
    try:
        yield outcome
    except Exception as error:
        known = isinstance(error, HeningError)
        sentence = str(error)[:_SENTENCE_LIMIT] if known else type(error).__name__
        await write("failed", {"error": sentence})
        raise
    await write("done", outcome)
