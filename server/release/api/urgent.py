"""The urgent API, on an event loop of its own: its operations, access rules, and sockets.

The sockets of `urgent_listener` answer only halt, pause and cancel. The API's ordinary address and
the console accept these as well, and run them on the same loop.
"""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from server.processes.sockets import bound_unix
from server.release.api.accept_queue import JWT_DOTS, Authenticate, no_token, read_bearer
from server.release.api.app import Api
from server.release.api.catalogue import OPERATIONS
from server.release.api.operation import Services
from server.release.api.problems import ProblemError
from server.release.api.serving import load_tls, make_provider, renewing, token_verifier
from server.release.api.status import ApiMetrics
from server.release.api.urgent_listener import (
    BACKLOG,
    UrgentServer,
    is_trusted,
    looking_up,
    mark_trusted,
)
from server.release.auth.principal import (
    OPERATOR,
    STOPPING,
    Principal,
    command_line_principal,
    decode_operator,
)
from server.release.errors import AuthenticationError
from server.settings import Settings
from server.storage.durable import PRIVATE, make_folder
from server.storage.errors import StorageError

BODY_SECONDS = 1.0  # for a body to arrive
DRAIN_SECONDS = 10.0  # how long handlers under way may take at shutdown
KNOWN = 1000  # valid tokens that are remembered, so that they do not wait for a lookup slot


class UrgentAdmission:
    """Finds the caller: by its token, or on the commands' socket by its process's user."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        self._turn = asyncio.Lock()  # one lookup at a time of tokens that are not known
        self._known: dict[bytes, None] = {}

    async def admit(self, request: web.BaseRequest, *, is_urgent: bool = False) -> Principal:
        """Return the caller; raises AuthenticationError. The slots limit the guesses."""
        del is_urgent  # all requests are urgent
        operator = decode_operator(request.headers.get(OPERATOR, ""))
        if operator and is_trusted(request):
            return command_line_principal(operator)
        secret = read_bearer(request)
        if not secret:
            raise no_token()
        digest = _digest(secret)
        try:
            principal = await self._look_up(request, secret, digest)
        except AuthenticationError:
            self._known.pop(digest, None)
            raise
        if principal.permissions & STOPPING:
            mark_trusted(request)
            self._known.pop(digest, None)
            self._known[digest] = None
            if len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]
        return principal

    def is_known(self, secret: str) -> bool:
        """Answer whether a token's caller could stop something when it was last looked up."""
        return bool(secret) and _digest(secret) in self._known

    async def _look_up(self, request: web.BaseRequest, secret: str, digest: bytes) -> Principal:
        if secret.count(".") == JWT_DOTS:  # the identity provider may take seconds
            return await self._authenticate(secret)
        with looking_up(request):
            if digest in self._known:
                return await self._authenticate(secret)
            async with self._turn:
                return await self._authenticate(secret)

    def count_change(self, principal: Principal) -> None:
        """Do nothing: stopping something does not count as a change."""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class UrgentApi(Api):
    """Answers urgent operations, by POST, and everything else with 404."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ConnectionError if its client is gone."""
        if request.method != "POST":
            return self.fail(ProblemError(404, "not-found", _ELSEWHERE))
        return await super().handle(request)


_ELSEWHERE = "Only halt, pause and cancel are served here: use the API's ordinary address."


URGENT_OPERATIONS = tuple(operation for operation in OPERATIONS if operation.urgent)
"""The API's operations that stop something."""


@contextlib.asynccontextmanager
async def serving_urgent(
    services: Services,
    registry: CollectorRegistry,
    say: Callable[[str], None],
    verify: Authenticate | None = None,
) -> AsyncIterator[int | None]:
    """Serve urgent operations on the running loop until the block ends; yield the port, if any.

    `verify` turns tokens into principals; by default it looks up API tokens in the database, and
    verifies ID tokens if there is an identity provider. `say` is called with a message if the
    commands' socket cannot be opened, and if a listener fails. Raises FormatError for settings that
    would expose tokens, StorageError for a socket in use.
    """
    settings = services.settings
    metrics = ApiMetrics(registry, URGENT_OPERATIONS, "urgent")
    admission = UrgentAdmission(verify or token_verifier(services, make_provider(services)))
    api = UrgentApi(URGENT_OPERATIONS, services, admission, metrics, BODY_SECONDS)
    server = UrgentServer(
        api,
        settings.urgent_connections,
        settings.refusals_per_second,
        metrics.count_limit,
        admission.is_known,
    )
    tls = await asyncio.to_thread(load_tls, settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.shutdown, DRAIN_SECONDS)
        await _listen_to_commands(server, services.folder.urgent, stack, say)
        if settings.urgent_socket:
            bound = bound_unix(Path(settings.urgent_socket))
            await _listen_unix(server, bound, stack, say, for_commands=False)
        port = None
        if settings.urgent_port is not None:
            await stack.enter_async_context(renewing(tls, settings))
            port = await _listen_tcp(server, settings, tls, stack, say)
        yield port


async def _listen_to_commands(
    server: UrgentServer,
    path: Path,
    stack: contextlib.AsyncExitStack,
    say: Callable[[str], None],
) -> None:
    """Listen on the commands' socket; a second server with the same state cannot."""
    try:
        await asyncio.to_thread(make_folder, path.parent)
        bound = bound_unix(path, PRIVATE)
        await _listen_unix(server, bound, stack, say, for_commands=True)
    except (StorageError, OSError) as error:
        say(f"commands that stop something act without the server: {error}")


async def _listen_unix(
    server: UrgentServer,
    bound: AbstractContextManager[socket.socket],
    stack: contextlib.AsyncExitStack,
    say: Callable[[str], None],
    *,
    for_commands: bool,
) -> None:
    one = await asyncio.to_thread(bound.__enter__)
    stack.push_async_callback(asyncio.to_thread, bound.__exit__, None, None, None)
    _accept(stack, server.accept(one, for_commands=for_commands), say)


async def _listen_tcp(
    server: UrgentServer,
    settings: Settings,
    tls: ssl.SSLContext | None,
    stack: contextlib.AsyncExitStack,
    say: Callable[[str], None],
) -> int:
    try:
        one = await asyncio.to_thread(_bind, settings.api_host, settings.urgent_port or 0)
    except OSError as error:
        raise StorageError(
            f"urgent_port {settings.urgent_port} cannot be used: {error.strerror}; choose another."
        ) from error
    stack.callback(one.close)
    _accept(stack, server.accept(one, tls), say)
    return int(one.getsockname()[1])


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    one = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
    one.setblocking(False)
    return one


def _accept(
    stack: contextlib.AsyncExitStack,
    accepting: Coroutine[Any, Any, None],
    say: Callable[[str], None],
) -> None:
    """Accept connections until the stack is closed; call `say` if accepting fails before."""
    task = asyncio.ensure_future(accepting)

    def report(ended: "asyncio.Task[None]") -> None:
        if not ended.cancelled():
            say(
                f"the urgent listener does not accept connections any more ({ended.exception()!r}):"
                " restart the server; until then, halts are accepted at the API's ordinary address."
            )

    task.add_done_callback(report)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(stop)
