"""The urgent listener: its operations and their authentication."""

import asyncio
import contextlib
import dataclasses
import os
import ssl

from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from server.release.api import urgent_listener
from server.release.api.catalogue import OPERATIONS
from server.release.api.operation import UrgentLoop
from server.release.api.urgent import serving_urgent
from server.release.api.urgent_listener import UrgentServer
from server.release.auth.principal import OPERATOR, decode_operator, encode_operator
from server.settings import Settings
from server.storage.models import IdempotencyKey
from tests.cases import case
from tests.server.release.api_world import api_world
from tests.server.release.certificate import write_certificate
from tests.server.release.urgent_world import HALT, urgent_world
from tests.server.world import CHANNEL


async def test_a_halt_is_carried_out(world, urgent):
    """A halt is answered and published; a repetition gets the same answer.

    Only halt, pause and cancel are urgent operations.
    """
    head = [f"POST {HALT} HTTP/1.1", "Authorization: Bearer engineer", "Idempotency-Key: once"]
    status, answer = await urgent.ask(head, b"{}")
    assert (status, answer["change"]["action"], answer["change"]["state"]) == (200, "halt", "done")
    published = await asyncio.to_thread(world.published)
    assert published.pointers()[CHANNEL.pointer_path].halted
    assert await urgent.ask(head, b"{}") == (status, answer)
    marked = {operation.id for operation in OPERATIONS if operation.urgent}
    assert marked == {"halt_rollout", "pause_rollout", "cancel_change"}


async def test_other_requests_are_not_found(urgent):
    """Any other request gets 404, even with an admin's token."""
    for line in (
        f"GET {HALT}",
        f"OPTIONS {HALT}",
        "GET /api/v1/status",
        f"POST {HALT.replace('halt', 'resume')}",
        "POST /console/sign-in",
        "GET /",
    ):
        status, answer = await urgent.ask([f"{line} HTTP/1.1", "Authorization: Bearer admin"])
        assert (status, answer["type"]) == (404, "urn:hening:problem:not-found")
    assert urgent.looked_up.empty()
    reader, writer = await urgent.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert (await reader.read()).count(b"HTTP/1.1") == 1
    writer.close()


async def test_token_and_right_are_checked_before_the_body(urgent):
    """Without a valid token or the right, a request is refused before its body is read.

    Its key is not stored, either.
    """
    for token, path, length, status in (
        ("", HALT, 1_000_000, b"401"),
        ("unknown", HALT, 1_000_000, b"401"),
        ("viewer", "/api/v1/changes/0123/cancel", 2, b"403"),
        ("viewer", HALT, 2, b"403"),
        ("other", HALT, 2, b"403"),
    ):
        lines = "Idempotency-Key: k", f"Content-Length: {length}"
        reader, writer = await urgent.send_head(path, token, *lines)
        with case(token, path):
            assert (await reader.readline()).split()[1] == status
        writer.transport.abort()
    async with urgent.services.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0


HALT_BY_ANI = [f"POST {HALT} HTTP/1.1", f"{OPERATOR}: ani"]


async def ask_socket(urgent, path=None, head=HALT_BY_ANI):
    """Send a halt to the commands' socket, or to another one."""
    path = path or urgent.services.folder.urgent
    return await urgent.ask(head, b"{}", await asyncio.open_unix_connection(path))


async def test_commands_need_no_token(urgent, monkeypatch):
    """On the commands' socket, the kernel identifies the user, whom the audit log names.

    Users other than the server's and root are not authenticated by it.
    """
    status, answer = await ask_socket(urgent)
    assert (status, answer["change"]["proposed_by"]) == (200, "cli:ani")
    assert (await urgent.ask(HALT_BY_ANI, b"{}"))[0] == 401  # the header has no effect over TCP
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(urgent_listener, "ROOT", 54321)
    assert (await ask_socket(urgent))[0] == 401


async def test_alarm_if_the_listener_ends(world, monkeypatch):
    """If the listener stops accepting, an alarm says so."""

    async def accept(*_arguments, **_options):  # noqa: RUF029 - as the server's
        raise RuntimeError("a fault")

    monkeypatch.setattr(UrgentServer, "accept", accept)
    alarms = asyncio.Queue()
    async with urgent_world(world, say=alarms.put_nowait):
        sentence = await alarms.get()
    assert sentence.startswith("the urgent listener does not accept connections any more")
    assert "RuntimeError('a fault')" in sentence


async def test_proxy_socket_does_not_identify_users(world, tmp_path):
    """On a proxy's socket the user is not trusted, because the proxy forwards all requests."""
    path = tmp_path / "proxy.sock"
    async with urgent_world(world, urgent_socket=str(path)) as urgent:
        assert (await asyncio.to_thread(path.stat)).st_mode & 0o777 == 0o660
        assert (await ask_socket(urgent, path))[0] == 401
        head = [f"POST {HALT} HTTP/1.1", "Authorization: Bearer engineer"]
        assert (await ask_socket(urgent, path, head))[0] == 200


async def test_second_server_does_not_take_the_socket(world):
    """A second server does not take the commands' socket, and logs why."""
    async with urgent_world(world) as first:
        registry = CollectorRegistry()
        services = dataclasses.replace(first.services, settings=Settings(api_port=0))
        async with serving_urgent(services, registry, world.alarms.append) as port:
            assert port is None
        assert "another server listens" in world.alarms[-1]
        assert (await ask_socket(first))[0] == 200


async def test_halt_on_the_ordinary_port_runs_on_the_urgent_loop(world):
    """A halt on the ordinary port runs on the urgent loop; other requests do not."""
    here = asyncio.get_running_loop()
    ran = []

    class Watched(UrgentLoop):
        async def run(self, call, work):
            ran.append(call.request.raw_path)
            return await super().run(call, work)

    other = world.copy(world.folder.root.with_name("other"))
    async with api_world(world) as there, api_world(other) as api:
        api.services.urgent = Watched(here, there.services)
        assert (await api.call("POST", f"/channels/{CHANNEL}/halt", body={})).status == 200
        await api.call("GET", f"/channels/{CHANNEL}")
    assert ran == [HALT]
    assert (await asyncio.to_thread(world.published)).pointers()[CHANNEL.pointer_path].halted


async def test_tls(world, tmp_path):
    """A client without a finished TLS handshake after a second is disconnected."""
    write_certificate(tmp_path)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    async with urgent_world(world, api_cert=cert, api_key=key) as urgent:
        context = ssl.create_default_context(cafile=cert)
        context.check_hostname = False
        silent, other = await urgent.connect()
        streams = await asyncio.open_connection("127.0.0.1", urgent.port, ssl=context)
        head = [f"POST {HALT} HTTP/1.1", "Authorization: Bearer engineer"]
        assert (await urgent.ask(head, b"{}", streams))[0] == 200
        with contextlib.suppress(ConnectionError):
            assert await silent.read() == b""
        other.close()


def test_operator_header():
    """Any user name is sent as ASCII and decoded again; an invalid header names no user."""
    for name in ("ani", "\u0634\u064a\u0646", "DOM\\a b", "50%", "a" * 64):
        assert encode_operator(name).isascii()
        assert decode_operator(encode_operator(name)) == name
    for header in ("", "%ff", "%0a", "a" * 65, "\u00e9"):
        assert decode_operator(header) == ""
