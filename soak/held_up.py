"""Attacks that may delay a halt, by clients with the tokens of two accounts and without a token.

`python -m soak.held_up NAME API URGENT` attacks the two ports of a server until it is terminated.
It reads the token of a viewer and then of an engineer from standard input, one per line, and prints
a line when the attack has begun.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import count, repeat
from urllib.parse import urlencode

BODY = b"[" + b"1," * ((1 << 19) - 1)  # 1 MiB, which is refused because of its length
BODIES, KEPT, SIGN_INS, GUESSES = 60, 256, 16, 32  # connections of an attack, per port and request
CHANGES, KEYS = 16, 16
CANCEL = "/api/v1/changes/0123/cancel"
HALT = "/api/v1/channels/armani/id/stable/halt"
RESUME = "/api/v1/channels/armani/id/stable/resume"
REVOKE = "/api/v1/tokens/000000000000/revoke"
_PAUSE = 0.01  # seconds until a client reconnects after the server closed its connection
Attack = Callable[["Target"], Awaitable[None]]


class Target:
    """The attacked ports, a viewer's token, and the token of the engineer who halts.

    `under_way` is set when the attack has begun.
    """

    def __init__(self, api: int, urgent: int, token: str, engineer: str) -> None:
        self.api = api
        self.urgent = urgent
        self.token = token
        self.engineer = engineer
        self.under_way = asyncio.Event()


def _request(
    path: str, body: bytes, *headers: str, kind: str = "application/json", method: str = "POST"
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {kind}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def _repeat(target: Target, port: int, request: bytes) -> None:
    """Send a request repeatedly on one connection, and reconnect when it is closed."""
    await _send(target, port, repeat(request))


async def _send(target: Target, port: int, requests: Iterator[bytes]) -> None:
    """Send endless requests in turn on one connection, and reconnect when it is closed."""
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while True:
                    writer.write(next(requests))
                    await writer.drain()
                    await _skip_answer(reader)
                    target.under_way.set()
            finally:
                writer.transport.abort()
        target.under_way.set()
        await asyncio.sleep(_PAUSE)


async def _skip_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length: ")
    await reader.readexactly(int(rest.partition(b"\r\n")[0]) if rest else 0)


async def bodies(target: Target) -> None:
    """Post 1 MiB of JSON repeatedly on 60 connections, to a path that accepts any token."""
    request = _request(CANCEL, BODY, f"Authorization: Bearer {target.token}")
    await _all(_repeat(target, target.api, request) for _ in range(BODIES))


async def kept(target: Target) -> None:
    """Keep 256 connections to each port.

    Those to the API port repeat a request with a valid token; those to the urgent port send an
    incomplete request.
    """
    request = _request("/api/v1/status", b"", f"Authorization: Bearer {target.token}", method="GET")
    works = [_repeat(target, target.api, request) for _ in range(KEPT)]
    await _all(works + [_keep_silent(target, target.urgent) for _ in range(KEPT)])


async def sign_ins(target: Target) -> None:
    """Sign in to the console repeatedly with a valid token."""
    csrf = hmac.new(b"", b"csrf", hashlib.sha256).hexdigest()
    form = urlencode({"csrf": csrf, "token": target.token}).encode()
    request = _request(
        "/console/sign-in",
        form,
        f"Origin: http://127.0.0.1:{target.api}",
        kind="application/x-www-form-urlencoded",
    ).replace(b"Host: 127.0.0.1", f"Host: 127.0.0.1:{target.api}".encode())
    await _all(_repeat(target, target.api, request) for _ in range(SIGN_INS))


async def guesses(target: Target) -> None:
    """Request halts without a token and with a wrong one, on both ports."""
    wrong = _request(HALT, b"{}", "Authorization: Bearer hening_000000000000_0")
    works = [
        _repeat(target, port, request)
        for port in (target.api, target.urgent)
        for request in (_request(HALT, b"{}"), wrong)
        for _ in range(GUESSES)
    ]
    await _all(works)


async def changes(target: Target) -> None:
    """Request changes repeatedly with the token that also halts."""
    token = f"Authorization: Bearer {target.engineer}"
    request = _request(RESUME, b"{}", token, "If-Match: *")
    await _all(_repeat(target, target.api, request) for _ in range(CHANGES))


async def keys(target: Target) -> None:
    """Send requests that are refused, each with another Idempotency-Key."""
    token = f"Authorization: Bearer {target.token}"

    def requests(name: int) -> Iterator[bytes]:
        for number in count():
            yield _request(REVOKE, b"", token, f"Idempotency-Key: k{name}-{number}")

    await _all(_send(target, target.api, requests(name)) for name in range(KEYS))


async def together(target: Target) -> None:
    """Run all other attacks at the same time."""
    await _all(attack(target) for attack in ALONE)


ALONE = (bodies, kept, sign_ins, guesses, changes, keys)
ATTACKS: Mapping[str, Attack] = {attack.__name__: attack for attack in (*ALONE, together)}


async def _keep_silent(target: Target, port: int) -> None:
    """Keep a connection with an incomplete request, and reconnect when it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST ")
            target.under_way.set()
            await reader.read()
            writer.transport.abort()
        await asyncio.sleep(_PAUSE)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*works)


async def _attack(name: str, target: Target) -> None:
    work = asyncio.ensure_future(ATTACKS[name](target))
    await target.under_way.wait()
    print(json.dumps(name), flush=True)
    await work


if __name__ == "__main__":
    _name, _api, _urgent = sys.argv[1:]
    _tokens = [sys.stdin.readline().strip() for _ in range(2)]
    asyncio.run(_attack(_name, Target(int(_api), int(_urgent), *_tokens)))
