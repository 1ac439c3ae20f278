"""Pages, filters and export of the audit log."""

import json

import pytest

from server.core.errors import FormatError
from server.release.auth import audit_log_query
from server.release.auth.audit_log import record
from server.release.auth.audit_log_query import (
    AuditLogFilter,
    export_audit_log,
    query_audit_log,
    read_audit_log,
    verify_export,
)

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


@pytest.fixture
async def filled(sessions):
    """Record the entries above, one a second."""
    async with sessions.begin() as session:
        for number, (actor, action, subject) in enumerate(ENTRIES):
            await record(
                session, at=NOW + number, actor=actor, action=action, subject=subject, detail={}
            )
    return sessions


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
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
    ],
    ids=repr,
)
async def test_filters(filled, wanted, found):
    """An actor includes its tokens, an action may be a group, and nothing is a pattern."""
    async with filled() as session:
        rows = await query_audit_log(session, AuditLogFilter(**wanted))
        assert [row.index for row in rows] == found
        streamed = [row.index async for row in read_audit_log(session, AuditLogFilter(**wanted))]
        assert streamed == found[::-1]


async def test_pages_do_not_move(filled):
    """An entry recorded between two pages is on neither of them."""
    async with filled() as session:
        first = await query_audit_log(session, AuditLogFilter(), limit=3)
    async with filled.begin() as session:
        await record(session, at=NOW, actor="x", action="x", subject="x", detail={})
    async with filled() as session:
        second = await query_audit_log(session, AuditLogFilter(), before=first[-1].index, limit=3)
        third = await query_audit_log(session, AuditLogFilter(), before=second[-1].index, limit=3)
        last = await query_audit_log(session, AuditLogFilter(), before=third[-1].index, limit=3)
    assert [row.index for row in (*first, *second, *third, *last)] == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("limit", [-1, 0, 1001])
async def test_a_page_has_a_size(filled, limit):
    """One to a thousand entries."""
    async with filled() as session:
        with pytest.raises(FormatError, match="1 to 1000"):
            await query_audit_log(session, AuditLogFilter(), limit=limit)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
async def test_an_export_is_whole_and_verifies(sessions, count, monkeypatch):
    """Every entry, oldest first, for counts around the batch size."""
    monkeypatch.setattr(audit_log_query, "_BATCH", 3)
    async with sessions.begin() as session:
        for number in range(count):
            await record(
                session, at=NOW, actor="ani", action="x", subject="x", detail={"number": number}
            )
    data = b"".join([part async for part in export_audit_log(sessions)])
    lines = data.splitlines(keepends=True)
    assert [json.loads(line)["detail"]["number"] for line in lines] == list(range(count))
    state = verify_export(lines)
    assert state.length == count
    assert state.sha256 == (json.loads(lines[-1])["sha256"] if lines else "0" * 64)
