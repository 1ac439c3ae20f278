"""Limits of the urgent listener, and the precedence of its requests."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp.test_utils import make_mocked_request

from server.release.api import listener, urgent_listener
from server.release.api.operation import URGENT_BODY_LIMIT as BODY_LIMIT
from server.release.api.operation import UrgentLoop
from server.release.api.status import ApiMetrics
from server.release.api.urgent import UrgentAdmission
from server.release.api.urgent_priority import AT_ONCE, UrgentPriority
from server.release.errors import AuthenticationError, Share
from tests.server.release.api_world import api_world
from tests.server.release.urgent_world import HALT, PRINCIPALS, read_answer, urgent_world
from tests.server.world import CHANNEL


async def test_head_over_the_limit(urgent):
    """A head over the limit gets 431 and is counted."""
    reader, writer = await urgent.connect()
    lines = (b"A: " + b"a" * 8000 + b"\r\n") * 9
    writer.write(f"POST {HALT} HTTP/1.1\r\nHost: a\r\n".encode() + lines)
    status, answer = await read_answer(reader, writer)
    assert (status, answer["type"]) == (431, "urn:hening:problem:head-too-large")
    assert "at most 65536 bytes" in answer["detail"]
    labels = {"operation": "none", "status": "4xx"}
    assert urgent.registry.get_sample_value("hening_urgent_requests_total", labels) == 1


async def test_body_over_the_limit(urgent):
    """A body over the limit gets 413, by its declared length or as it arrives."""
    status, _ = await urgent.halt(body=b" " * (BODY_LIMIT + 1))
    assert status == 413
    piece = b"%x\r\n%b\r\n" % (BODY_LIMIT + 1, b" " * (BODY_LIMIT + 1))
    sent = await urgent.send_head(
        HALT, "admin", "Transfer-Encoding: chunked", body=piece + b"0\r\n\r\n"
    )
    assert (await read_answer(*sent))[0] == 413
    assert (await urgent.halt(body=b" " * (BODY_LIMIT - 2) + b"{}"))[0] == 200


async def test_incomplete_requests_time_out(world, monkeypatch):
    """A client that sends half a head is disconnected after a second.

    One with a valid token and half a body is answered after a second.
    """
    monkeypatch.setattr(urgent_listener, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr("server.release.api.urgent.BODY_SECONDS", 0.05)
    async with urgent_world(world) as urgent:
        reader, writer = await urgent.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        sent = await urgent.send_head(HALT, "admin", "Content-Length: 2", body=b"{")
        assert (await read_answer(*sent))[0] == 408


def limits(urgent, share):
    """Return the metric's count of a limit."""
    return urgent.registry.get_sample_value("hening_urgent_limits_total", {"share": share})


async def test_oldest_silent_connection_is_closed_for_a_halt(world, monkeypatch):
    """The oldest connection without a token is closed with 503 in favour of a halt."""
    monkeypatch.setattr(urgent_listener, "HEAD_SECONDS", 600)
    async with urgent_world(world, urgent_connections=64) as urgent:
        silent = [await urgent.connect() for _ in range(16)]
        assert (await urgent.halt())[0] == 200
        assert limits(urgent, Share.CONNECTIONS) == 1
        answer = await silent[0][0].read()  # closed in favour of the halt
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert not silent[1][0].at_eof()
        for _, writer in silent:
            writer.transport.abort()


async def test_refusals_over_the_rate_are_delayed(world, monkeypatch):
    """Refusals over the rate are delayed and counted; a halt is answered meanwhile."""
    monkeypatch.setattr(listener, "DELAY_SECONDS", 3600)
    monkeypatch.setattr("server.release.api.urgent.DRAIN_SECONDS", 0.1)
    async with urgent_world(world, refusals_per_second=1) as urgent:
        head = [f"POST {HALT} HTTP/1.1", "Authorization: Bearer guess"]
        opened, guesses = [], []
        while not limits(urgent, Share.REFUSALS):
            opened.append(await urgent.connect())
            guesses.append(asyncio.ensure_future(urgent.ask(head, b"{}", opened[-1])))
        assert (await urgent.halt())[0] == 200
        assert {each.result()[0] for each in guesses if each.done()} <= {401}
        for each in guesses:
            each.cancel()
        for _, writer in opened:
            writer.transport.abort()


async def test_refusals_of_known_accounts_have_their_own_rate(world, monkeypatch):
    """Refusals of known accounts have their own rate."""
    monkeypatch.setattr(listener, "DELAY_SECONDS", 0)
    async with urgent_world(world, refusals_per_second=1) as urgent:
        await asyncio.gather(*[urgent.halt("guess") for _ in range(20)])
        late = limits(urgent, Share.REFUSALS)
        assert late
        large = b" " * (BODY_LIMIT + 1)
        assert (await urgent.halt(body=large))[0] == 413
        assert limits(urgent, Share.REFUSALS) == late
        await asyncio.gather(*[urgent.halt(body=large) for _ in range(20)])
        assert limits(urgent, Share.REFUSALS) > late


async def test_limit_of_simultaneous_look_ups(world, monkeypatch):
    """If the maximum of look-ups is reached, the next connection waits and is counted."""
    monkeypatch.setattr(urgent_listener, "LOOKED_UP", 1)
    begun, waited, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(ApiMetrics, "count_limit", lambda _self, _share: waited.set())

    async def verify(secret):
        begun.set()
        await go_on.wait()
        return PRINCIPALS[secret]

    async with urgent_world(world, verify=verify) as urgent:
        halts = [asyncio.ensure_future(urgent.halt())]
        await begun.wait()
        halts.append(asyncio.ensure_future(urgent.halt()))
        await waited.wait()
        go_on.set()
        assert [(await halt)[0] for halt in halts] == [200, 200]


async def test_revoked_token_counts_as_unknown():
    """A revoked token waits for its turn among unknown tokens."""
    principal, revoked, looked_up, go_on = PRINCIPALS["admin"], set(), [], asyncio.Event()

    async def verify(secret):
        looked_up.append(secret)
        if secret == "slow":
            await go_on.wait()
        if secret in revoked:
            raise AuthenticationError("no.")
        return principal

    admission = UrgentAdmission(verify)

    def admit(secret):
        headers = {"Authorization": f"Bearer {secret}"}
        return admission.admit(make_mocked_request("POST", "/", headers=headers))

    assert await admit("known") == principal
    revoked.add("known")
    with pytest.raises(AuthenticationError):
        await admit("known")
    tasks = [asyncio.ensure_future(admit(secret)) for secret in ("slow", "known")]
    await asyncio.wait(tasks, timeout=0)
    await asyncio.wait(tasks, timeout=0)
    assert looked_up == ["known", "known", "slow"]
    go_on.set()
    slow, known = await asyncio.gather(*tasks, return_exceptions=True)
    assert (slow, type(known)) == (principal, AuthenticationError)


async def test_known_token_comes_first(urgent):
    """A request with a known token is read before earlier ones with invalid tokens."""
    await urgent.halt()
    assert await urgent.looked_up.get() == "engineer"
    with contextlib.ExitStack() as stack:
        # Without a turn of the loop, so that none is accepted meanwhile.
        for token in [*["guess"] * 5, "engineer"]:
            client = socket.create_connection(("127.0.0.1", urgent.port))
            stack.enter_context(client)
            line = f"POST {HALT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
            client.sendall(line.encode())
        assert await urgent.looked_up.get() == "engineer"


@pytest.mark.parametrize("is_urgent_port", [True, False])
async def test_halts_of_one_account_do_not_delay_another(world, is_urgent_port):
    """While one account uses all its turns, another account's halt is carried out."""
    name = PRINCIPALS["engineer"].name
    async with contextlib.AsyncExitStack() as stack:
        if is_urgent_port:
            urgent = await stack.enter_async_context(urgent_world(world))
            halt, turns = urgent.halt, urgent.services.account_turns
        else:
            api = await stack.enter_async_context(api_world(world))
            other = UrgentLoop(asyncio.get_running_loop(), api.services)
            api.services.urgent = other
            turns = api.services.account_turns

            async def halt(token):
                answer = await api.call("POST", f"/channels/{CHANNEL}/halt", token=token, body={})
                return answer.status, answer.json

        async with contextlib.AsyncExitStack() as taken:
            for _ in range(AT_ONCE):
                await taken.enter_async_context(turns.taken(name))
            own = asyncio.create_task(halt("engineer"))
            assert (await halt("admin"))[0] == 200
            assert not own.done()
        assert (await own)[0] == 200


async def test_ordinary_requests_wait_for_halts(world):
    """During a halt no ordinary request begins, but another halt does."""
    here, waiting = asyncio.get_running_loop(), []

    class Asked(UrgentLoop):
        async def run(self, call, work):
            if not waiting:
                waiting.append(asyncio.create_task(api.call("GET", f"/channels/{CHANNEL}")))
                assert (await api.call("POST", f"/channels/{CHANNEL}/halt", body={})).status == 200
                assert not waiting[0].done()
            return await super().run(call, work)

    async with api_world(world) as api:
        priority = UrgentPriority(longest=1e6)
        api.services.urgent_priority = priority
        api.services.urgent = Asked(here, api.services)
        assert (await api.call("POST", f"/channels/{CHANNEL}/halt", body={})).status == 200
        assert (await waiting[0]).json["state"] == "halted"
