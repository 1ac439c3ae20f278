"""The audit log: entries in the caller's transaction, linked by their hashes."""

import hashlib

import pytest
from sqlalchemy import delete, func, select

from server.core.errors import FormatError
from server.release.auth.audit_log import record
from server.storage.errors import StorageError
from server.storage.models import AuditLogEntry, AuditLogHead
from tests.cases import case
from tests.server.release.auth.issue import audit_log


def entry(number=1, **changed):
    """Return the arguments of an entry."""
    return {
        "at": 1_800_000_000 + number,
        "actor": "ani",
        "action": "rollout.halt",
        "subject": "armani/id/stable",
        "detail": {"reason": f"#{number}"},
        **changed,
    }


async def test_entry_hash_follows_the_format(sessions):
    """An entry's hash is that of the text in FORMATS.md, which the test writes itself."""
    async with sessions.begin() as session:
        await record(session, **entry(1))
        await record(session, **entry(2, detail={"ü": [1, None]}))
    previous = "0" * 64
    details = ('{"reason":"#1"}', '{"ü":[1,null]}')
    for row, detail in zip(await audit_log(sessions), details, strict=True):
        text = (
            f'{{"action":"rollout.halt","actor":"ani","at":180000000{row.index},"detail":{detail},'
            f'"index":{row.index},"previous":"{previous}","subject":"armani/id/stable"}}\n'
        )
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert row.sha256 == previous


async def test_rollback_removes_the_entry(sessions):
    """A rollback leaves neither an entry nor a gap."""
    async with sessions() as session:
        await record(session, **entry(1))
        await session.rollback()
    async with sessions.begin() as session:
        await record(session, **entry(2))
    assert [(row.index, row.at) for row in await audit_log(sessions)] == [(1, 1_800_000_002)]


async def test_invalid_fields_are_refused(sessions):
    """A field over its limit, or invalid JSON, is refused on every database.

    An entry with a token is refused, because it would be stored permanently.
    """
    body = "hening_0123456789ab_" + "5" * 64
    token = body + hashlib.sha256(body.encode()).hexdigest()[:8]
    for field, value, sentence in (
        *(("actor", "a" * 81, ""), ("action", "a" * 49, ""), ("subject", "a" * 201, "")),
        *(("detail", {"text": text}, "") for text in ("a" * 16_384, 0.5, "\ud800")),
        ("subject", token, "the subject of this change contains a token"),
        (
            "detail",
            {"reason": {"en": f"see {token}"}},
            "the detail of this change contains a token",
        ),
    ):
        async with sessions.begin() as session:
            with case(field, value), pytest.raises(FormatError, match=sentence or None):
                await record(session, **entry(1, **{field: value}))
    assert await audit_log(sessions) == []


async def test_missing_head(sessions):
    """If the audit log's head is missing, the change fails."""
    async with sessions.begin() as session:
        await session.execute(delete(AuditLogHead))
    with pytest.raises(StorageError, match="head is gone"):
        async with sessions.begin() as session:
            await record(session, **entry(1))
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(AuditLogEntry)) == 0
