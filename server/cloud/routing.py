"""Request handling for the records door (msgpack) and the account door (JSON).

A `Route` is data: method, path, body type, and a handler that receives a `Call`. The order of the
checks is guaranteed: the path, then the token, then the body. A request without a valid token
learns only which paths exist, and its body is not read.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Middleware
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.sessions import find_caller, prolong_session
from server.cloud.errors import CloudError, ItemsError, RateError
from server.cloud.law.consents import check_agreed
from server.cloud.law.rounds import Law
from server.cloud.metrics import CloudMetrics
from server.cloud.rates import Rates
from server.cloud.secrets import Secrets, draw_text
from server.cloud.settings import DAY, CloudSettings
from server.cloud.storage.bodies import Bodies
from server.core.errors import HeningError
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.room import is_full

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
URN: Final = "urn:hening:problem:"
SMALL: Final = 16 * 1024
"""Default maximum size of a request body, in bytes."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """The dependencies of the handlers.

    `now` returns epoch seconds and `entropy` random bytes. `generation` identifies the database's
    contents and changes with a restore. `law` applies the region's policy.
    """

    database: Sessions
    bodies: Bodies
    secrets: Secrets
    settings: CloudSettings
    generation: bytes
    now: Callable[[], int]
    entropy: Callable[[int], bytes]
    rates: Rates
    metrics: CloudMetrics
    law: Law

    def host(self, request_host: str) -> str:
        """Return the host of `public_url`, or `request_host` if that is not set."""
        return self.settings.public_url.partition("://")[2] or request_host

    async def session_seconds(self, db: AsyncSession) -> int:
        """Return the idle time in seconds after which a device has to log in again."""
        days = self.settings.session_days
        signed = await self.law.policies.current(self.now(), db)
        return DAY * (days if signed is None else min(days, signed.policy.days.session_idle))

    def check_accepts_data(self) -> None:
        """Raise CloudError if the region is closing and accepts no new data."""
        if self.settings.closing:
            raise CloudError(
                403,
                "region_closing",
                "this region is closing and stores nothing new: download your data and move to"
                " another region.",
            )

    def draw(self, count: int) -> str:
        """Return `count` random bytes, as URL-safe base64."""
        return draw_text(self.entropy, count)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the account and token, path parameters, query, and decoded body.

    `account` and `token` are empty for public routes. `host` comes from `public_url` if it is set,
    otherwise from the request.
    """

    services: Services
    account: str
    token: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    host: str
    body: Any


Handler = Callable[[Call], Awaitable[object]]
Handled = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path, and how to handle it.

    `body` is the type to decode the request body to; `bytes` leaves it raw, None ignores it.
    `limit` is the maximum body size in bytes, `status` the status of success. `is_json` selects
    JSON and problem documents (RFC 9457) instead of msgpack. `is_public` routes need no token.
    `for_pending` routes also serve devices that wait for approval. `for_suspended` routes also
    serve suspended accounts, which keep their legal rights. `uploads` requires consent to the
    policy in force. `media` is the media type of a `Sent` response.
    """

    method: str
    path: str
    handler: Handler
    body: Any = None
    limit: int = SMALL
    status: int = 200
    is_public: bool = False
    for_pending: bool = False
    for_suspended: bool = False
    is_json: bool = False
    uploads: bool = False
    media: str = "text/plain"


json_route = partial(Route, is_json=True)
"""Makes a route that answers in JSON."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A response of raw bytes with media type `kind`, whole or streamed in pieces.

    `file_name` is the name under which a browser saves it.
    """

    kind: str
    body: bytes | AsyncIterator[bytes]
    file_name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Problem(msgspec.Struct):
    """A problem document: a stable `type` for programs, and a sentence for people."""

    type: str
    title: str
    status: int
    detail: str


def make_app(routes: tuple[Route, ...], services: Services) -> web.Application:
    """Return an application that serves `routes` and refuses all other requests."""
    app = web.Application(client_max_size=1, middlewares=[_refusing(routes, services.metrics)])
    for route in routes:
        app.router.add_route(route.method, route.path, _bind(route, services))
    return app


def _bind(
    route: Route, services: Services
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            account, token = "", ""
            if not route.is_public:
                token = _read_token(request)
                account = await _admit(services, token, route)
            body = await _read_body(request, route)
            host = services.host(request.host)
            call = Call(services, account, token, request.match_info, request.query, host, body)
            answer = await route.handler(call)
            if isinstance(answer, Sent):
                return await send(request, answer, route.status)
            return _encode(answer, route.status, JSON if route.is_json else MSGPACK)
        except (HeningError, OSError) as error:
            return refuse_as_problem(error) if route.is_json else refuse(error)

    return handle


async def _admit(services: Services, token: str, route: Route) -> str:
    """Return the account of a device's token; raises CloudError if it may not use the route."""
    now = services.now()
    async with services.database() as db:
        caller = await find_caller(db, token, now)
        services.rates.count_request(caller.account, now)
        caller.check_served(
            is_pending_served=route.for_pending, is_suspended_served=route.for_suspended
        )
        if route.uploads:
            check_agreed(await services.law.policies.current(now, db), caller.consent_version)
        seconds = await services.session_seconds(db)
    if caller.is_use_due(now, seconds):
        async with services.database.begin() as db:
            await prolong_session(db, caller, now + seconds)
    await services.law.note_use(caller.account)
    return caller.account


async def send(request: web.Request, sent: Sent, status: int = 200) -> web.StreamResponse:
    """Send a response; aborts the connection if reading a piece fails midway."""
    headers = {**sent.headers, "Content-Type": sent.kind}
    if sent.file_name:
        headers["Content-Disposition"] = f'attachment; filename="{sent.file_name}"'
    if isinstance(sent.body, bytes):
        return web.Response(body=sent.body, status=status, headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    try:
        async for piece in sent.body:
            await response.write(piece)
        await response.write_eof()
    except (HeningError, OSError):
        if request.transport is not None:
            request.transport.abort()
        raise
    return response


def _refusing(routes: tuple[Route, ...], metrics: CloudMetrics) -> Middleware:
    json_parts = {route.path.split("/")[1] for route in routes if route.is_json}

    @web.middleware
    async def refuse_unknown(request: web.Request, handler: Handled) -> web.StreamResponse:
        is_json = request.path.removeprefix("/").partition("/")[0] in json_parts
        refuse_here = refuse_as_problem if is_json else refuse
        try:
            response = await handler(request)
        except web.HTTPNotFound:
            sentence = "there is nothing at this address."
            response = refuse_here(CloudError(404, "not_found", sentence))
        except web.HTTPMethodNotAllowed as error:
            sentence = "this address has no such method."
            response = refuse_here(CloudError(405, "method_not_allowed", sentence))
            response.headers["Allow"] = error.headers["Allow"]
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - every failure becomes a refusal
            response = refuse_here(error)
        metrics.count(request.path, response.status)
        return response

    return refuse_unknown


def refuse(error: Exception) -> web.Response:
    """Return the msgpack response to an error: a document with a code and a sentence."""
    found = to_refusal(error)
    document: dict[str, object] = {"code": found.code, "detail": str(found)}
    if isinstance(found, ItemsError):
        document["errors"] = [
            {"code": each.code, "detail": each.sentence, "field": each.uid}
            for each in found.refusals
        ]
    return _retry(_encode(document, found.status), found)


def refuse_as_problem(error: Exception) -> web.Response:
    """Return the response to an error as a problem document."""
    found = to_refusal(error)
    kind = URN + found.code.replace("_", "-")
    document = Problem(kind, HTTPStatus(found.status).phrase, found.status, str(found))
    return _retry(_encode(document, found.status, PROBLEM), found)


def _retry(response: web.Response, refusal: CloudError) -> web.Response:
    if isinstance(refusal, RateError):
        response.headers["Retry-After"] = str(refusal.seconds)
    return response


def to_refusal(error: Exception) -> CloudError:
    """Return the refusal to send for any error, and log errors that are the server's own.

    Raises the error again if the client has disconnected, since nothing failed here.
    """
    if isinstance(error, ClientConnectionResetError):
        raise error
    if isinstance(error, CloudError):
        return error
    if is_full(error):
        log.error("alarm", error=f"there is no room: {error}")
        return CloudError(507, "no_room", "the server has no room just now; nothing was changed.")
    if isinstance(error, (StorageError, OSError)):
        log.error("storage fails", error=str(error))
        sentence = "the server cannot store or read just now; try again later."
        return CloudError(503, "unavailable", sentence)
    log.error("a request failed", error=type(error).__name__)
    return CloudError(500, "internal", "the server failed; nothing was changed.")


def _read_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Token" or not token:
        raise CloudError(401, "not_authenticated", "send `Authorization: Token …`; log in first.")
    return token


async def _read_body(request: web.Request, route: Route) -> object:
    if route.body is None:
        return None
    length = request.content_length
    if length is not None and length > route.limit:
        raise _too_large(route.limit)
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > route.limit:
            raise _too_large(route.limit)
    if route.body is bytes:
        return bytes(data)
    return decode(bytes(data), route.body, is_json=route.is_json)


def decode(data: bytes, kind: Any, *, is_json: bool = False) -> Any:  # noqa: ANN401 - the result is of the type `kind`
    """Decode msgpack or JSON to `kind`; raises CloudError that names the invalid field."""
    try:
        codec = msgspec.json if is_json else msgspec.msgpack
        return codec.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise CloudError(
            400, "malformed", f"the body does not have the expected form: {error}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CloudError(
            400, "malformed", f"the body is not {'JSON' if is_json else 'msgpack'}."
        ) from error


def _too_large(limit: int) -> CloudError:
    return CloudError(
        413, "too_large", f"a body may have at most {limit} bytes here; send less at a time."
    )


def _encode(value: object, status: int, kind: str = MSGPACK) -> web.Response:
    if value is None:
        return web.Response(status=status)
    if isinstance(value, bytes):
        return web.Response(body=value, status=status, content_type="application/octet-stream")
    encode = msgspec.msgpack.encode if kind == MSGPACK else msgspec.json.encode
    return web.Response(body=encode(value), status=status, content_type=kind)
