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
from tests.cases import case

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


async def test_filters(filled):
    """An actor includes its tokens, an action may be a group, and nothing is a pattern.

    A page has one to a thousand entries.
    """
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
            chosen = AuditLogFilter(**wanted)
            async with filled() as session:
                rows = await query_audit_log(session, chosen)
                assert [row.index for row in rows] == found
                streamed = [row.index async for row in read_audit_log(session, chosen)]
                assert streamed == found[::-1]
    async with filled() as session:
        for limit in (-1, 0, 1001):
            with pytest.raises(FormatError, match="1 to 1000"):
                await query_audit_log(session, AuditLogFilter(), limit=limit)


async def test_pages_do_not_move(filled):
    """An entry recorded between two pages is on neither of them."""
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


async def test_an_export_is_whole_and_verifies(sessions, monkeypatch):
    """Every entry, oldest first, for counts around the batch size."""
    monkeypatch.setattr(audit_log_query, "_BATCH", 3)
    for count in range(8):
        data = b"".join([part async for part in export_audit_log(sessions)])
        lines = data.splitlines(keepends=True)
        assert [json.loads(line)["detail"]["number"] for line in lines] == list(range(count))
        state = verify_export(lines)
        assert state.length == count
        assert state.sha256 == (json.loads(lines[-1])["sha256"] if lines else "0" * 64)
        async with sessions.begin() as session:
            detail = {"number": count}
            await record(session, at=NOW, actor="ani", action="x", subject="x", detail=detail)
