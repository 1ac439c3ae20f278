"""A whole server is killed with SIGKILL during a request with an idempotency key, and a retry."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from server.release.auth.audit_log_query import verify_audit_log
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role
from server.release.auth.tokens import create_token
from server.release.rollouts.commands import view_channel
from server.storage.database import open_database
from server.storage.models import Account, AuditLogEntry, Token
from tests.crash.after import check_public_log
from tests.crash.forks import forking
from tests.crash.points import API_STORIES
from tests.patience import PATIENCE
from tests.server.release.api.test_submissions import TYPE, body_of
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, refresh_from_disk

#: After a commit the state stays the same until the next change, so only a commit at the end of a
#: story is a point.
POINTS = [
    (story, name)
    for story, names in API_STORIES.items()
    for name, change in names.items()
    if not change.startswith("committed") or name == [*names][-1]
]
#: The audit log's action for each request.
ACTIONS = {
    "command": ["rollout.offer", "rollout.offer.done"],
    "account": ["account.create"],
    "token": ["token.create"],
    "submission": ["submission.receive"],
}
ENDS = {"submission.publish"}
#: Words in the names of points at which the work is already done.
DONE = ("is recorded", "intent", "public", "command is done", "its name", "taken", "work", "kept")


@dataclass
class Site:
    """A state folder, an admin's token, and the requests."""

    world: object
    token: str
    requests: dict


@pytest.fixture(scope="module")
def site(published_state, tmp_path_factory):
    """Return a server with a release that is not offered yet; tests copy it."""
    world = published_state.copy(tmp_path_factory.mktemp("site") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    role = {("tables", 2): world.ceremony.role("tables", 2)}
    bundle_id, body = body_of(role, [])
    tag = view_channel(CHANNEL, world.published()).etag
    requests = {
        "command": (
            "POST",
            f"/channels/{CHANNEL}/offer",
            {"plan": {"stages": [{"permille": 10}]}, "counter": 2},
            {"If-Match": tag},
        ),
        "account": ("POST", "/accounts", {"name": "ben", "role": "viewer", "codenames": ["*"]}, {}),
        "token": ("POST", "/tokens", {"account": "ani", "label": "ci", "days": 1}, {}),
        "submission": ("PUT", f"/submissions/{bundle_id}", body, TYPE),
    }
    return Site(world, asyncio.run(make_admin(world)), requests)


async def make_admin(world):
    """Make an account with a token, and return the token."""
    ani = Principal("ani", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], ("*",))
    at = world.epoch()
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        session.add(Account(name="ani", role="admin", codenames='["*"]\n', created_at=at))
        await session.flush()
        issued = await create_token(
            session,
            ani,
            lambda size: bytes(range(size)),
            account="ani",
            label="laptop",
            permissions=None,
            expires_at=at + 86_400,
            at=at,
        )
    return issued.text


@pytest.fixture(scope="module")
def serve(programs):
    """Return a function that runs a whole server until it dies or the block ends."""
    with forking(programs.command("python"), "tests.crash.server_zygote") as fork:

        @contextlib.contextmanager
        def run(folder, at="", ended=None):  # a server that survives `at` is stopped
            started = fork({"state": str(folder.root), "at": at, "log": f"{folder.root}.log"})
            try:
                yield started
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(started["pid"], signal.SIGTERM if at else signal.SIGKILL)
                end = fork()
                if ended is not None:
                    ended.update(end)

        yield run


def send(api, site, story):
    """Send the story's request with its key; returns status, headers and body."""
    method, path, body, headers = site.requests[story]
    if not isinstance(body, bytes):
        body = json.dumps(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": "once", **headers}
    return ask(api, site, method, path, body, headers)


def ask(api, site, method, path, body=None, headers=()):
    """Send one request on a new connection."""
    url = urlsplit(api)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        told = {"Authorization": f"Bearer {site.token}", **dict(headers)}
        connection.request(method, f"{url.path}{path}", body, told)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), json.loads(answer.read())


async def look(world):
    """Verify the audit log; return its actions, and the number of tokens."""
    async with open_database(world.folder.database) as sessions, sessions() as session:
        await verify_audit_log(session)
        actions = list(
            await session.scalars(select(AuditLogEntry.action).order_by(AuditLogEntry.index))
        )
        return actions, len(list(await session.scalars(select(Token.id))))


def wait_for_result(api, site, answer):
    """Poll a submission until it has a result; the killed server had a lease."""
    while True:
        told = ask(api, site, "GET", f"/submissions/{answer['id']}?wait=30")[2]
        if told["status"] != "waiting":
            return told


@pytest.mark.parametrize(("story", "point"), POINTS, ids=[": ".join(pair) for pair in POINTS])
def test_killed_at(site, serve, story, point, tmp_path):
    """The retry has one effect and one entry in the audit log; a third request is a replay."""
    world = site.world.copy(tmp_path / "killed")
    before, tokens = asyncio.run(look(world))
    ended = {}
    with (
        serve(world.folder, API_STORIES[story][point], ended) as server,
        contextlib.suppress(ConnectionError, http.client.HTTPException),
    ):
        answer = send(server["api"], site, story)[2]
        if story == "submission":
            wait_for_result(server["api"], site, answer)
    assert ended["status"] == -signal.SIGKILL, ended["points"]
    assert refresh_from_disk(world.folder, [FIRST])[1] == {FIRST: PACKAGE_1}
    is_done = any(word in point for word in DONE)
    with serve(world.folder) as server:
        second = send(server["api"], site, story)
        third = send(server["api"], site, story)
        if story == "submission":
            assert wait_for_result(server["api"], site, second[2])["status"] == "published"
    replayed = [told.get("Idempotent-Replayed") for _, told, _ in (second, third)]
    if story == "token":  # its secret is shown once
        assert second[0] == (409 if is_done else 201)
        assert (third[0], third[2]["type"]) == (409, "urn:hening:problem:answer-not-kept")
    elif story == "submission":  # it can be repeated without a key
        assert {second[0], third[0]} == {202}
    else:
        assert second[0] == (200 if story == "command" else 201)
        assert (third[0], third[2]) == (second[0], second[2])
        assert replayed == ["true" if is_done else None, "true"]
    after, more = asyncio.run(look(world))
    # The result appears when the submission is published, before or after the retry.
    told = [action for action in after[len(before) :] if action not in ENDS]
    assert told == ACTIONS[story]
    assert more - tokens == (story == "token")
    pointer = world.published().pointers()[CHANNEL.pointer_path]
    assert pointer.steps[-1].counter == (2 if story == "command" else 1)
    check_public_log(world)
