"""One token, account or client uses all that it can get: others are still answered.

Each test attacks one limit of the control plane over real sockets. Another account is served, the
attacker gets 429 or 503 with `Retry-After`, and the metric counts it.
"""

import asyncio
import base64
import contextlib
import re
import threading

import pytest
from sqlalchemy import func, select

from server.release.api import idempotency, listener
from server.release.errors import Share
from server.storage.models import AuditLogEntry, IdempotencyKey
from tests.server.console.browser import console_world
from tests.server.release.auth.issue import issue_token

CHANNEL = "/api/v1/channels/armani/id/stable"
BODY = "If-Match: *\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
BEGIN = f"POST {CHANNEL}/pause"


class Client:
    """A connection that stays open."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, request, token=None, *, more=""):
        """Send a request without a body, or the head of one that has a body."""
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        self.writer.write(f"{request} HTTP/1.1\r\nHost: a\r\n{bearer}{more}\r\n".encode())

    async def read_head(self):
        """Return status and head of the next answer; status 0 if the connection ended."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        length = int(re.search(r"Content-Length: (\d+)", head)[1])
        self.body = await self.reader.readexactly(length)
        return int(head.split()[1]), head

    async def ask(self, request, token=None, *, more=""):
        """Send a request and return the status of its answer."""
        self.send(request, token, more=more)
        return (await self.read_head())[0]


@contextlib.asynccontextmanager
async def clients(team, number):
    """Open this many connections."""
    opened = [
        Client(*await asyncio.open_connection("127.0.0.1", team.api.port)) for _ in range(number)
    ]
    try:
        yield opened
    finally:
        for each in opened:
            each.writer.transport.abort()


def limits(team, share):
    """Return the metric's count for a share."""
    return team.api.registry.get_sample_value("hening_api_limits_total", {"share": share})


async def kept(team, account):
    """Return how many idempotency keys are stored for an account."""
    async with team.services.sessions() as session:
        return await session.scalar(select(func.count()).where(IdempotencyKey.account == account))


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
async def test_connections_of_a_token(world, busy):
    """A token with all connections loses some to other accounts, which keep theirs."""
    async with console_world(world, api_connections=8) as team:
        engineer, admin = await team.token("engineer"), await team.token("admin")
        async with clients(team, 1) as (kept_open,), clients(team, 7) as held:
            assert await kept_open.ask("GET /api/v1/me", admin) == 200
            for each in held:
                assert await each.ask("GET /api/v1/me", engineer) == 200
            for each in held if busy else ():
                each.send(f"POST {CHANNEL}/offer", engineer, more=BODY + "Expect: 100-continue\r\n")
                assert await each.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            async with clients(team, 3) as opened:
                assert [await each.ask("GET /api/v1/me", admin) for each in opened] == [200] * 3
            status, head = await held[0].read_head()
            assert (status, "Retry-After: 1\r\n" in head) == ((503, True) if busy else (0, False))
            assert await kept_open.ask("GET /api/v1/me", admin) == 200
        assert limits(team, Share.CONNECTIONS) >= 3


async def test_connections_without_a_token(world):
    """Connections without a token neither keep accounts out nor close their connections."""
    async with console_world(world, api_connections=8) as team:
        admin = await team.token("admin")
        async with clients(team, 1) as (kept_open,):
            assert await kept_open.ask("GET /api/v1/me", admin) == 200
            async with clients(team, 40) as flood, clients(team, 1) as (new,):
                for each in flood:
                    each.writer.write(b"GET /api/v1/me HT")
                assert await new.ask("GET /api/v1/me", admin) == 200
            assert await kept_open.ask("GET /api/v1/me", admin) == 200
        assert limits(team, Share.CONNECTIONS) >= 33


async def test_a_flood_of_refusals(world, monkeypatch):
    """Refused requests above the limit are delayed; other requests are still answered."""
    monkeypatch.setattr(listener, "DELAY_SECONDS", 3600)
    monkeypatch.setattr(listener, "DRAIN_SECONDS", 0.1)
    async with console_world(world, refusals_per_second=1) as team:
        admin = await team.token("admin")
        async with clients(team, 2) as (flood, other):
            refused = []

            async def ask_on():
                while True:
                    refused.append(await flood.ask("GET /api/v1/nothing", admin))

            asking = asyncio.ensure_future(ask_on())
            while not limits(team, Share.REFUSALS):
                assert await other.ask("GET /api/v1/me", admin) == 200
            number = len(refused)
            for _ in range(20):
                assert await other.ask("GET /api/v1/me", admin) == 200
            assert refused == [404] * number
            assert number >= 4
            asking.cancel()


async def test_bodies_with_busy_threads(world):
    """With all threads busy, small bodies are still decoded and large ones are not read."""
    async with console_world(world) as team:
        engineer = await team.token("engineer")
        release = threading.Event()
        loop = asyncio.get_running_loop()
        taken = [loop.run_in_executor(None, release.wait) for _ in range(64)]
        try:
            async with clients(team, 2) as (small, big):
                small.send(BEGIN, engineer, more=BODY)
                small.writer.write(b"[]")
                assert (await small.read_head())[0] == 422
                more = BODY.replace("Length: 2", "Length: 16385")
                assert await big.ask(f"POST {CHANNEL}/offer", engineer, more=more) == 413
        finally:
            release.set()
            await asyncio.gather(*taken)


async def test_requests_of_an_account(world):
    """Ten tokens of an account share the limit of one account; another account is answered."""
    async with console_world(world, api_rate=1) as team:
        tokens = [await team.token("viewer") for _ in range(10)]
        admin = await team.token("admin")
        async with clients(team, 1) as (client,):
            statuses = [
                await client.ask("GET /api/v1/me", token) for token in tokens for _ in range(4)
            ]
            assert statuses[:8] == [200] * 8
            assert statuses.count(429) >= 24
            assert await client.ask("GET /api/v1/me", admin) == 200
        assert limits(team, Share.REQUESTS) >= 24


async def test_guesses_at_halts(world):
    """Halt requests with a wrong token or none are rate-limited; one with a valid token is not."""
    async with console_world(world, api_rate=1) as team:
        approver = await team.token("approver")
        async with clients(team, 1) as (client,):
            for token in (None, "guess"):
                statuses = [await client.ask(f"POST {CHANNEL}/halt", token) for _ in range(6)]
                assert statuses[-1] == 429
            client.send(f"POST {CHANNEL}/halt", approver, more=BODY)
            client.writer.write(b"{}")
            assert (await client.read_head())[0] == 200
        assert limits(team, Share.GUESSES) >= 2


async def test_sign_ins(world):
    """A valid token in a loop starts few sessions; others can sign in, and its API works."""
    async with console_world(world, sign_ins_per_hour=60) as team:
        token = await issue_token(team.services, "viewer")
        browser = await team.browser()
        pages = [await browser.sign_in(token) for _ in range(13)]
        assert [page.status for page in pages] == [200] * 10 + [429] * 3
        assert 1 <= int(pages[-1].headers["Retry-After"]) <= 60
        await team.signed_in("admin")
        assert (await team.api.call("GET", "/me", token=token)).status == 200
        async with team.services.sessions() as session:
            begun = select(func.count()).where(
                AuditLogEntry.action == "session.begin", AuditLogEntry.subject == "viewer"
            )
            assert await session.scalar(begun) == 10
        assert limits(team, Share.SIGN_INS) == 3


async def test_idempotency_keys_of_refused_requests(world, monkeypatch):
    """Refused requests under ever new idempotency keys do not fill the database."""
    monkeypatch.setattr(idempotency, "EFFECTLESS_KEPT", 20)
    async with console_world(world) as team:
        viewer = await team.token("viewer")
        async with clients(team, 1) as (client,):
            for number in range(50):
                more = f"Idempotency-Key: k{number}\r\n"
                path = "POST /api/v1/tokens/000000000000/revoke"
                assert await client.ask(path, viewer, more=more) in {403, 404}
        assert 20 <= await kept(team, "viewer") <= 40


async def test_idempotency_keys_of_an_account(world):
    """An account that has used up its idempotency keys gets 429; another account's are accepted."""
    async with console_world(world, idempotency_keys=2) as team:
        for number, status in enumerate((200, 200, 429)):
            token = await team.token("viewer")
            identity = token.split("_")[1]
            answer = await team.api.call(
                "POST",
                f"/tokens/{identity}/revoke",
                token=token,
                headers={"Idempotency-Key": f"k{number}"},
            )
            assert answer.status == status
        assert int(answer.headers["Retry-After"]) > 3600
        token = await team.token("editor")
        path = f"/tokens/{token.split('_')[1]}/revoke"
        more = {"Idempotency-Key": "k"}
        assert (await team.api.call("POST", path, token=token, headers=more)).status == 200
        assert limits(team, Share.IDEMPOTENCY_KEYS) == 1


async def test_changes_of_an_account(world):
    """An account that requests changes in a loop is refused; it may still halt."""
    async with console_world(world, changes_per_hour=12) as team:
        engineer, admin = await team.token("engineer"), await team.token("admin")
        call = team.api.call
        more = {"If-Match": "*"}
        for status in (409, 409, 429):
            path = "/channels/armani/id/stable/resume"
            refused = await call("POST", path, token=engineer, body={}, headers=more)
            assert refused.status == status
        assert 1 <= int(refused.headers["Retry-After"]) <= 300
        path = "/channels/armani/id/stable/pause"
        assert (await call("POST", path, token=engineer, body={}, headers=more)).status == 200
        browser = await team.signed_in("engineer")
        page = await browser.get("/console/channels/armani/id/stable")
        assert (await browser.send(page, "/resume")).status == 429
        made = await call("POST", "/webhooks", token=admin, body={})
        assert made.status == 422
        assert limits(team, Share.CHANGES) == 2


async def test_uploads_of_an_account(world):
    """An account that announces uploads in a loop is refused; another account's are accepted."""
    async with console_world(world, uploads_per_account=2) as team:
        engineer, editor = await team.token("engineer"), await team.token("editor")
        sha256 = base64.b64encode(b"0" * 64).decode()
        told = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "9",
            "Upload-Metadata": f"sha256 {sha256}",
        }
        for token, status in ((engineer, 201), (engineer, 201), (engineer, 429), (editor, 201)):
            answer = await team.api.call("POST", "/uploads", token=token, headers=told)
            assert answer.status == status
            assert ("Retry-After" in answer.headers) is (status == 429)
        assert limits(team, Share.UPLOADS) == 1
