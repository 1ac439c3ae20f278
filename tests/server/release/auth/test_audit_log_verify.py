"""Verification of the audit log: each change of each field is found, and the entry is named."""

import json
import re

import pytest
from sqlalchemy import text

from server.core.encodings import encode_canonical_json
from server.release.auth.audit_log import record
from server.release.auth.audit_log_query import (
    AuditLogState,
    export_audit_log,
    verify_audit_log,
    verify_export,
)
from server.release.errors import AuditLogError
from tests.cases import case, refuse_each

NOW = 1_800_000_000
COUNT = 5


@pytest.fixture
async def filled(sessions):
    """Record five entries."""
    async with sessions.begin() as session:
        for number in range(1, COUNT + 1):
            await record(
                session,
                at=NOW + number,
                actor="ani",
                action="rollout.halt",
                subject="armani/id/stable",
                detail={"number": number},
            )
    return sessions


async def export(sessions):
    """Return the export's lines."""
    data = b"".join([part async for part in export_audit_log(sessions)])
    return data.splitlines(keepends=True)


async def verify(sessions, remembered=None):
    """Verify the audit log in the database."""
    async with sessions() as session:
        return await verify_audit_log(session, remembered)


async def test_an_audit_log_that_is_whole(filled, sessions):
    """Length and last hash are those of the export; an empty one is chained to zeros."""
    lines = await export(filled)
    expected = AuditLogState(COUNT, json.loads(lines[-1])["sha256"])
    assert await verify(filled) == expected == verify_export(lines)
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM trail_entries"))
        await session.execute(text(f"UPDATE trail_head SET length = 0, sha256 = '{'0' * 64}'"))
    assert await verify(sessions) == AuditLogState(0, "0" * 64) == verify_export([])


FORGERIES = [
    ('UPDATE trail_entries SET at = at + 1 WHERE "index" = 3', "entry 3 .* not what was recorded"),
    ("UPDATE trail_entries SET actor = 'budi' WHERE \"index\" = 1", "entry 1 .* not what was"),
    ("UPDATE trail_entries SET action = 'x' WHERE \"index\" = 5", "entry 5 .* not what was"),
    ("UPDATE trail_entries SET subject = 'x' WHERE \"index\" = 2", "entry 2 .* not what was"),
    ("UPDATE trail_entries SET detail = '{}\n' WHERE \"index\" = 4", "entry 4 .* not what was"),
    ("UPDATE trail_entries SET detail = '{' WHERE \"index\" = 4", "entry 4 .* malformed"),
    ("UPDATE trail_entries SET detail = '{}' WHERE \"index\" = 4", "entry 4 .* malformed"),
    ("UPDATE trail_entries SET sha256 = 'x' WHERE \"index\" = 2", "entry 2 .* not what was"),
    ('DELETE FROM trail_entries WHERE "index" = 1', "entry 1 .* missing: the next is 2"),
    ('DELETE FROM trail_entries WHERE "index" = 3', "entry 3 .* missing: the next is 4"),
    ('DELETE FROM trail_entries WHERE "index" = 5', "ends at entry 4, its head names entry 5"),
    ("DELETE FROM trail_entries", "ends at entry 0, its head names entry 5"),
    ('UPDATE trail_entries SET "index" = 9 WHERE "index" = 5', "entry 5 .* missing: the next is 9"),
    ("UPDATE trail_head SET length = 4", "ends at entry 5, its head names entry 4"),
    ("UPDATE trail_head SET length = 6", "ends at entry 5, its head names entry 6"),
    ("UPDATE trail_head SET sha256 = 'x'", "ends at entry 5"),
    ("DELETE FROM trail_head", "head of the audit log is gone"),
]


async def test_a_forgery_in_the_database(filled):
    """Whatever one statement can change is found, and the first broken entry is named."""
    for statement, sentence in FORGERIES:
        async with filled() as session:
            await session.execute(text(statement))
            with case(statement), pytest.raises(AuditLogError, match=sentence):
                await verify_audit_log(session)
            await session.rollback()
    assert (await verify(filled)).length == COUNT


async def test_two_entries_that_changed_places(filled):
    """The order is part of the chain."""
    async with filled.begin() as session:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            await session.execute(
                text('UPDATE trail_entries SET "index" = :new WHERE "index" = :old'),
                {"new": new, "old": old},
            )
    with pytest.raises(AuditLogError, match="entry 2 of the audit log is not what was recorded"):
        await verify(filled)


async def test_a_new_chain_is_found_by_who_remembers(filled, sessions):
    """A chain computed anew is consistent; only a head stored elsewhere reveals it."""
    lines = [json.loads(line) for line in await export(filled)]
    remembered = {3: lines[2]["sha256"], 5: lines[4]["sha256"]}
    assert (await verify(filled, remembered)).length == COUNT
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM trail_entries"))
        await session.execute(
            text("UPDATE trail_head SET length = 0, sha256 = :zero"), {"zero": "0" * 64}
        )
        for number in range(1, COUNT):
            await record(session, at=NOW, actor="x", action="x", subject="x", detail={"n": number})
    assert (await verify(filled)).length == COUNT - 1
    with pytest.raises(
        AuditLogError, match="entry 3 of the audit log is not the one that was remembered"
    ):
        await verify(filled, remembered)
    with pytest.raises(AuditLogError, match="ends at entry 4, and entry 5 was remembered"):
        await verify(filled, {5: remembered[5]})


async def test_every_byte_of_an_export_counts(filled):
    """The lowest bit of each byte is flipped; every change is detected."""
    data = b"".join(await export(filled))
    first = json.loads(data.splitlines()[-1])
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(AuditLogError):
            verify_export(changed.splitlines(keepends=True), {COUNT: first["sha256"]})


async def test_lines_that_are_no_entries(filled):
    """Arbitrary bytes raise the audit log's error and no other.

    An unknown member is refused although its hash would match. A line missing in the middle is
    named; a cut-off end is found by the head.
    """
    bad = [b"", b"\n", b"[]\n", b"{}\n", b"1\n", b"x\n", b'{"index": 1}\n', b"\xff\n", b"[" * 999]
    refuse_each(AuditLogError, lambda line: verify_export([line]), bad)
    lines = await export(filled)
    more = encode_canonical_json(json.loads(lines[0]) | {"note": "x"})
    with pytest.raises(AuditLogError, match="does not have the members"):
        verify_export([more])
    with pytest.raises(AuditLogError, match="entry 2 of the audit log is missing: the next is 3"):
        verify_export([*lines[:1], *lines[2:]])
    head = json.loads(lines[-1])
    with pytest.raises(AuditLogError, match=re.escape("ends at entry 4, and entry 5 was")):
        verify_export(lines[:-1], {5: head["sha256"]})
