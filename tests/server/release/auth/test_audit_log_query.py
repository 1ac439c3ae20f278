"""Filters, pages, export and verification of the audit log."""

import json
import re

import pytest
from sqlalchemy import text

from server.core.encodings import encode_canonical_json
from server.release.auth import audit_log_query
from server.release.auth.audit_log import record
from server.release.auth.audit_log_query import (
    AuditLogFilter,
    AuditLogState,
    export_audit_log,
    query_audit_log,
    verify_audit_log,
    verify_export,
)
from server.release.errors import AuditLogError
from tests.cases import case, refuse_each

NOW = 1_800_000_000
ENTRIES = [
    ("cli:root", "account.create", "ani"),
    ("cli:root", "token.create", "ani"),
    ("ani/0123456789ab", "rollout.halt", "armani/id/stable"),
    ("ani/ba9876543210", "rollout.halt", "cancro/id/stable"),
    ("ani", "token.revoke", "ani"),
    ("anita", "tokens", "anita"),
    ("a_i/0123456789ab", "account.create", "%"),
]


async def export(sessions):
    """Return the export's lines."""
    data = b"".join([part async for part in export_audit_log(sessions)])
    return data.splitlines(keepends=True)


@pytest.fixture
async def filled(sessions):
    """Record ENTRIES, one a second, and return the database's sessions."""
    async with sessions.begin() as session:
        for number, (actor, action, subject) in enumerate(ENTRIES):
            await record(
                session, at=NOW + number, actor=actor, action=action, subject=subject, detail={}
            )
    return sessions


async def test_filters(filled):
    """An actor includes its tokens, an action may be a group, and wildcards have no effect."""
    for wanted, found in (
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"actor": "ani"}, [5, 4, 3]),
        ({"actor": "ani/ba9876543210"}, [4]),
        ({"actor": "a_i"}, [7]),
        ({"actor": "%"}, []),
        ({"action": "token"}, [5, 2]),
        ({"action": "rollout.halt"}, [4, 3]),
        ({"subject": "ani"}, [5, 2, 1]),
        ({"subject": "%"}, [7]),
        ({"since": NOW + 5}, [7, 6]),
        ({"until": NOW + 1}, [2, 1]),
        ({"since": NOW + 2, "until": NOW + 2}, [3]),
        ({"actor": "ani", "action": "rollout", "subject": "cancro/id/stable"}, [4]),
        ({"actor": "' OR 1=1 --"}, []),
    ):
        with case(wanted):
            async with filled() as session:
                rows = await query_audit_log(session, AuditLogFilter(**wanted))
                assert [row.index for row in rows] == found


async def test_new_entries_do_not_move_pages(filled):
    """An entry recorded between two pages does not move the second page."""
    found, before = [], None
    for _ in range(4):
        async with filled() as session:
            page = await query_audit_log(session, AuditLogFilter(), before=before, limit=3)
        if before is None:
            async with filled.begin() as session:
                await record(session, at=NOW, actor="x", action="x", subject="x", detail={})
        found += [row.index for row in page]
        before = found[-1]
    assert found == [7, 6, 5, 4, 3, 2, 1]


async def test_export_is_complete_and_verifies(sessions, monkeypatch):
    """An export has every entry, oldest first, for numbers around the batch size."""
    monkeypatch.setattr(audit_log_query, "_BATCH", 3)
    for count in range(8):
        lines = await export(sessions)
        assert [json.loads(line)["detail"]["number"] for line in lines] == list(range(count))
        state = verify_export(lines)
        assert state.length == count
        assert state.sha256 == (json.loads(lines[-1])["sha256"] if lines else "0" * 64)
        async with sessions.begin() as session:
            detail = {"number": count}
            await record(session, at=NOW, actor="ani", action="x", subject="x", detail=detail)


COUNT = 5


@pytest.fixture
async def halts(sessions):
    """Record COUNT entries, and return the database's sessions."""
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


async def verify(sessions, remembered=None):
    """Verify the audit log in the database."""
    async with sessions() as session:
        return await verify_audit_log(session, remembered)


async def test_intact_audit_log_verifies(halts):
    """The log's length and last hash equal those of the export; an empty log has zeros."""
    lines = await export(halts)
    expected = AuditLogState(COUNT, json.loads(lines[-1])["sha256"])
    assert await verify(halts) == expected == verify_export(lines)
    async with halts.begin() as session:
        await session.execute(text("DELETE FROM trail_entries"))
        await session.execute(text(f"UPDATE trail_head SET length = 0, sha256 = '{'0' * 64}'"))
    assert await verify(halts) == AuditLogState(0, "0" * 64) == verify_export([])


ALTERATIONS = [
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


async def test_altered_rows_are_found(halts):
    """Each change that one SQL statement can make is found, at the first wrong entry."""
    for statement, sentence in ALTERATIONS:
        async with halts() as session:
            await session.execute(text(statement))
            with case(statement), pytest.raises(AuditLogError, match=sentence):
                await verify_audit_log(session)
            await session.rollback()
    assert (await verify(halts)).length == COUNT


async def test_rewritten_log_is_found_by_remembered_hashes(halts):
    """A completely rewritten log is found only by comparing with a remembered head."""
    lines = [json.loads(line) for line in await export(halts)]
    remembered = {3: lines[2]["sha256"], 5: lines[4]["sha256"]}
    assert (await verify(halts, remembered)).length == COUNT
    async with halts.begin() as session:
        await session.execute(text("DELETE FROM trail_entries"))
        await session.execute(text(f"UPDATE trail_head SET length = 0, sha256 = '{'0' * 64}'"))
        for number in range(1, COUNT):
            await record(session, at=NOW, actor="x", action="x", subject="x", detail={"n": number})
    assert (await verify(halts)).length == COUNT - 1
    with pytest.raises(
        AuditLogError, match="entry 3 of the audit log is not the one that was remembered"
    ):
        await verify(halts, remembered)
    with pytest.raises(AuditLogError, match="ends at entry 4, and entry 5 was remembered"):
        await verify(halts, {5: remembered[5]})


async def test_flipped_bits_of_an_export_are_found(halts):
    """Flipping the lowest bit of any byte of an export is found."""
    data = b"".join(await export(halts))
    first = json.loads(data.splitlines()[-1])
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(AuditLogError):
            verify_export(changed.splitlines(keepends=True), {COUNT: first["sha256"]})


async def test_malformed_lines_of_an_export(halts):
    """Arbitrary bytes raise AuditLogError only.

    An unknown member is refused even though its hash would match. A missing line is named; a
    cut-off end is found by the head.
    """
    bad = [b"", b"\n", b"[]\n", b"{}\n", b"1\n", b"x\n", b'{"index": 1}\n', b"\xff\n", b"[" * 999]
    refuse_each(AuditLogError, lambda line: verify_export([line]), bad)
    lines = await export(halts)
    more = encode_canonical_json(json.loads(lines[0]) | {"note": "x"})
    with pytest.raises(AuditLogError, match="does not have the members"):
        verify_export([more])
    with pytest.raises(AuditLogError, match="entry 2 of the audit log is missing: the next is 3"):
        verify_export([*lines[:1], *lines[2:]])
    head = json.loads(lines[-1])
    with pytest.raises(AuditLogError, match=re.escape("ends at entry 4, and entry 5 was")):
        verify_export(lines[:-1], {5: head["sha256"]})
