"""`session`: list the console's sessions, and end them from the server."""

import asyncio
import json
import os

import pytest

from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from server.release.auth.tokens import create_token
from server.release.auth.web_sessions import Origin, begin_session
from server.storage.database import open_database


@pytest.fixture
def begun(world):
    """Sign an account in twice; gives the state folder and the sessions' ids and secrets."""

    async def act():
        at, operator = world.epoch(), command_line_principal("root")
        async with (
            open_database(world.folder.database) as sessions,
            sessions.begin() as session,
        ):
            await create_account(
                session, operator, name="ani", role=Role.ENGINEER, codenames=["armani"], at=at
            )
            issued = await create_token(
                session,
                operator,
                os.urandom,
                account="ani",
                label="x",
                expires_at=at + 3600,
                at=at,
            )
            origin = Origin("ani", token=issued.row.id)
            return [await begin_session(session, os.urandom, origin, at=at) for _ in range(2)]

    return world.folder.root, asyncio.run(act())


def test_listing_and_ending(run, begun):
    """One by its id, the others by account; the audit log has the user's name and no secret."""
    state, (first, second) = begun
    status, out, err = run("session", "list", "--state", state, "--json")
    assert (status, err) == (0, "")
    rows = json.loads(out)
    assert {row["id"] for row in rows} == {first.row.id, second.row.id}
    assert {row["account"] for row in rows} == {"ani"}
    assert first.secret not in out
    assert first.row.secret_sha256 not in out
    status, out, _ = run("session", "end", first.row.id, "--state", state)
    assert status == 0
    assert first.row.id in out
    status, out, _ = run("session", "end", "--account", "ani", "--state", state, "--json")
    assert [row["id"] for row in json.loads(out)] == [second.row.id]
    assert run("session", "list", "--state", state, "--json")[1].strip() == "[]"
    _, out, _ = run("audit-log", "list", "--action", "session.end", "--state", state, "--json")
    entries = json.loads(out)
    assert {entry["subject"] for entry in entries} == {"ani"}
    assert all(entry["actor"].startswith("cli:") for entry in entries)
    assert len(entries) == 2


def test_what_is_refused(run, begun):
    """An unknown id ends no session; ids and an account together are a usage error."""
    state, (first, _) = begun
    status, _, err = run("session", "end", first.row.id, "s-000000000000", "--state", state)
    assert (status, "there is no session s-000000000000" in err) == (1, True)
    assert len(json.loads(run("session", "list", "--state", state, "--json")[1])) == 2
    for words in ([], [first.row.id, "--account", "ani"]):
        assert run("session", "end", *words, "--state", state)[0] == 2
