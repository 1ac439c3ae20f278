"""`rebuild` and `gc`, and the effects of a restored database."""

import asyncio
import json
import os
import shutil
from datetime import timedelta

import pytest

from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from server.release.auth.tokens import authenticate, create_token, revoke_token
from server.release.auth.web_sessions import Origin, begin_session, list_sessions
from server.release.errors import AuthenticationError
from server.release.rollouts.changes import State
from server.release.rollouts.commands import Offer, Pause, Schedule
from server.release.rollouts.plan import Plan, Stage
from server.storage.database import open_database
from server.storage.durable import write_durable
from server.storage.local_blobs import LocalBlobs
from tests.server.cli.conftest import check_sentence
from tests.server.release.rollouts.harness import open_harness


@pytest.fixture
def lost(world):
    """Return a server whose database is lost."""
    for path in world.folder.root.glob("hening.sqlite*"):
        path.unlink()
    return world


def test_rebuild_restores_the_database(run, findings, lost):
    """Commands name `rebuild`; afterwards `check` finds nothing."""
    state = lost.folder.root
    for words in (["check"], ["migrate"], ["rollout", "halt", "armani/id/stable"]):
        status, _, err = run(*words, "--state", state)
        assert status == 3
        check_sentence(err)
        assert "is gone: restore it, or run `hening-server rebuild`" in err
    assert not lost.folder.sqlite.exists()
    status, out, err = run("rebuild", "--state", state, "--json")
    assert (status, err) == (0, "")
    added = {"leaves": 9, "blobs": 1, "submissions": 2}
    nothing = {"cancelled": 0, "revoked": 0, "sessions": 0, "damaged": []}
    assert json.loads(out) == {**added, **nothing}
    assert findings("--deep", folder=state) == []
    status, out, _ = run("rebuild", "--state", state)
    assert (status, out) == (0, "0 leaves of the log, 0 blobs and 0 submissions were added.\n")
    status, out, _ = run("audit-log", "list", "--state", state, "--json")
    rebuilds = [entry for entry in json.loads(out) if entry["action"] == "server.rebuild"]
    assert added in [entry["detail"] for entry in rebuilds]


def test_rebuild_reports_damaged_blobs(run, lost):
    """Damaged blobs are reported with status 1, and all else is restored."""
    (blob,) = LocalBlobs(lost.folder.blobs).list()
    LocalBlobs(lost.folder.blobs).path(blob.sha256).write_bytes(bytes(blob.length))
    status, out, err = run("rebuild", "--state", lost.folder.root)
    assert status == 1
    assert "9 leaves of the log, 0 blobs" in out
    check_sentence(err)
    assert blob.sha256[:16] in err


def test_rebuild_does_not_create_a_state(run, tmp_path):
    """`rebuild` does not create a state."""
    status, _, err = run("rebuild", "--state", tmp_path / "none")
    assert status == 3
    check_sentence(err)
    assert not (tmp_path / "none").exists()


NAME = "ab" * 32


@pytest.fixture
def state(world):
    """Return a server's state with an unreferenced blob, ten days old."""
    path = LocalBlobs(world.folder.blobs).path(NAME)
    write_durable(path, b"12345")
    then = world.now().timestamp() - 10 * 86_400
    os.utime(path, (then, then))
    return world.folder.root


def test_gc_removes_unreferenced_blobs(state, run, ask, findings):
    """A dry run lists the blob, `gc` removes it, and a second run finds nothing."""
    expected = {"named": 1, "young": 0, "octets": 5, "removed": [{"length": 5, "sha256": NAME}]}
    assert ask("gc", "--dry-run") == expected | {"dry_run": True}
    status, out, _ = run("gc", "--state", state, "--grace", "11d")
    assert (status, out) == (0, "0 blobs removed (0 bytes); 1 are named, 1 are too young.\n")
    status, out, _ = run("gc", "--state", state, "--grace", "9d", "--dry-run")
    tail = "1 blobs would be removed (5 bytes); 1 are named, 0 are too young.\n"
    assert (status, out) == (0, f"{NAME}  5\n{tail}")
    assert ask("gc") == expected | {"dry_run": False}
    assert ask("gc")["removed"] == []
    done, begun, *earlier = ask("audit-log", "list", "--action", "server.gc")
    assert len(earlier) == 4  # two for a collection, none for a dry run
    assert begun["detail"] == {"stage": "begun", "grace_seconds": 604_800}
    assert done["detail"] == {"stage": "done", "began": begun["index"], "removed": 0, "octets": 0}
    assert findings("--deep") == []


def test_malformed_grace_time(state, run):
    """A malformed grace time is a usage error."""
    for grace in ("7", "d", "-1d", "1w", "123456d", "1d "):
        status, out, err = run("gc", "--state", state, f"--grace={grace}")
        assert (status, out, "such as 7d" in err) == (2, "", True), grace


OPERATOR = command_line_principal("root")
HOUR = 3600


def stages(permille):
    """Return a plan of one stage."""
    return Plan(stages=[Stage(permille)])


@pytest.fixture
def restored(second):
    """Give a server whose database is from before a rollout was paused, and two tokens' texts.

    In the backup a command for half the fleet is due in an hour. After the backup it was carried
    out, then the channel was paused, and the first of the tokens was revoked.
    """
    world = second
    copy = world.folder.root.with_name("copy.sqlite")
    texts = []

    async def hire():
        at = world.epoch()
        who = {"name": "eka", "role": Role.ENGINEER, "codenames": ["*"], "at": at}
        what = {"account": "eka", "label": "work", "expires_at": at + 99 * HOUR, "at": at}
        async with (
            open_database(world.folder.database) as sessions,
            sessions.begin() as session,
        ):
            await create_account(session, OPERATOR, **who)
            for _ in range(2):
                token = await create_token(session, OPERATOR, os.urandom, **what)
                texts.append(token.text)
            origin = Origin("eka", token=token.row.id)
            await begin_session(session, os.urandom, origin, at=at)

    async def before():
        async with open_harness(world) as harness:
            await harness.request(Offer(2, stages(10)))
            await harness.request(Schedule(stages(500)), due_at=world.epoch() + HOUR)
            await harness.request(Schedule(stages(600)), due_at=world.epoch() + 9 * HOUR)

    async def after():
        world.ahead = timedelta(hours=2)
        async with open_harness(world) as harness:
            (done,) = await harness.rollouts.run_due()
            assert done.state == State.DONE
            await harness.request(Pause())
            async with harness.sessions.begin() as session:
                first = texts[0].split("_")[1]
                await revoke_token(session, OPERATOR, identity=first, at=world.epoch())

    asyncio.run(hire())
    asyncio.run(before())
    shutil.copyfile(world.folder.sqlite, copy)
    asyncio.run(after())
    for path in world.folder.root.glob("hening.sqlite*"):
        path.unlink()
    shutil.copyfile(copy, world.folder.sqlite)
    world.ahead = timedelta(hours=10)
    return world, texts


def open_restored(world, texts):
    """Return what `run` carries out, whether the channel is paused, and which tokens are valid."""

    async def inside():
        async with open_harness(world) as harness:
            settled = await harness.rollouts.run_due()
            pointer = await harness.pointer()
            valid = []
            async with harness.sessions() as session:
                for text in texts:
                    try:
                        await authenticate(session, text, world.now())
                    except AuthenticationError:
                        continue
                    valid.append(text)
                sessions = await list_sessions(session, world.epoch() - 10 * HOUR)
            found = await harness.rollouts.find()
        return settled, pointer.paused, valid, len(sessions), found

    return asyncio.run(inside())


def test_rebuild_cancels_commands_and_revokes_tokens(run, findings, restored):
    """After a restore, open commands are cancelled, and no token or session is valid."""
    world, texts = restored
    status, out, err = run("rebuild", "--state", world.folder.root)
    assert (status, err) == (0, "")
    assert "2 changes were cancelled, 2 tokens revoked and 1 sessions ended" in out
    settled, paused, valid, sessions, found = open_restored(world, texts)
    assert (settled, paused, valid, sessions) == ([], True, [], 0)
    cancelled = [change for change in found if change.state == State.CANCELLED]
    assert [change.command.plan.stages[0].permille for change in cancelled] == [600, 500]
    assert all("the database was restored" in change.reason for change in cancelled)
    assert findings(folder=world.folder.root) == []
    again = json.loads(run("rebuild", "--state", world.folder.root, "--json")[1])
    assert (again["cancelled"], again["revoked"], again["sessions"]) == (0, 0, 0)


def test_rebuild_keeps_tokens_on_request(run, restored):
    """With `--keep-tokens` all tokens of the backup stay valid; commands are cancelled anyway."""
    world, texts = restored
    status, out, _ = run("rebuild", "--state", world.folder.root, "--keep-tokens", "--json")
    assert status == 0
    done = json.loads(out)
    assert (done["cancelled"], done["revoked"], done["sessions"]) == (2, 0, 0)
    settled, paused, valid, sessions, _ = open_restored(world, texts)
    assert (settled, paused, valid, sessions) == ([], True, texts, 1)
