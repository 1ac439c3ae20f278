"""The trail: every change that somebody made, each entry chained to the one before by a hash.

Source: docs/FORMATS.md section 11. An entry is written in the transaction of the change that it
records. The row `trail_head` is the one lock of all writers: whoever updates it first is first, on
SQLite and PostgreSQL alike, and it remembers where the trail ends.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.release.people.claim import note_effect
from server.release.people.token_text import holds_token
from server.storage.control_models import TrailEntry, TrailHead
from server.storage.errors import StorageError

NO_ENTRY = "0" * 64
"""What the first entry is chained to."""
DETAIL_LIMIT = 16_384
"""Octets of an entry's detail; a change that needs more to be told is told by reference."""
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
) -> TrailEntry:
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
            raise FormatError(f"the {name} of a trail entry is longer than {limit} characters.")
        if holds_token(value):
            raise FormatError(f"a token stands in the {name} of this change: revoke it.")
    advance = (
        update(TrailHead)
        .values(length=TrailHead.length + 1)
        .returning(TrailHead.length, TrailHead.sha256)
    )
    head = (await session.execute(advance)).one_or_none()
    if head is None:
        raise StorageError("the trail's head is gone from the database: restore it from a copy.")
    entry = TrailEntry(
        index=head.length, at=at, actor=actor, action=action, subject=subject, detail=text
    )
    entry.sha256 = entry_hash(entry, head.sha256)
    session.add(entry)
    await session.flush()
    await session.execute(update(TrailHead).values(sha256=entry.sha256))
    await note_effect(session, entry.index)
    return entry


async def lock_trail(session: AsyncSession) -> None:
    """Wait until no other transaction changes anything that the trail records, and hold them off.

    For a change that depends on what it reads: call it first. It ends with the transaction.
    """
    await session.execute(update(TrailHead).values(length=TrailHead.length))


def entry_hash(entry: TrailEntry, previous: str) -> str:
    """Return the hash of an entry that follows the one whose hash is `previous`."""
    value = {**describe(entry), "previous": previous}
    del value["sha256"]
    return hashlib.sha256(encode_canonical_json(value)).hexdigest()


def describe(entry: TrailEntry) -> dict[str, Any]:
    """Return an entry as the JSON object that export and API show."""
    return {
        "action": entry.action,
        "actor": entry.actor,
        "at": entry.at,
        "detail": decode_canonical_json(entry.detail.encode(), limit=4 * DETAIL_LIMIT),
        "index": entry.index,
        "sha256": entry.sha256,
        "subject": entry.subject,
    }
