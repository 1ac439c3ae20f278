"""`/blobs/VAULT/[TYPE/[NAME]]`: restic's REST protocol."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from server.cloud.blobs.vaults import (
    LOCKS,
    SMALL_TYPES,
    Address,
    VaultBlob,
    Visitor,
    add_blob,
    add_vault,
    config_of,
    decode_address,
    decode_type,
    decode_vault,
    find_blob,
    find_visitor,
    list_blobs,
    remove_blob,
    remove_vault,
)
from server.cloud.errors import CloudError, RateError
from server.cloud.gate import SAMPLE, check_ciphertext
from server.cloud.law.consents import check_agreed
from server.cloud.routing import Services, to_refusal
from server.cloud.storage.lease import may_remove_bodies
from server.core.errors import HeningError
from server.storage.sqlite_connection import execute_together

V1, V2 = "application/vnd.x.restic.rest.v1", "application/vnd.x.restic.rest.v2"
REALM: Final = {"WWW-Authenticate": 'Basic realm="hening", charset="UTF-8"'}
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})")
MAX_BODY = 256 * 1024 * 1024
"""Maximum size of an object, in bytes; restic's packs have 16 MiB by default, 128 MiB at most."""
MAX_SMALL = 64 * 1024
"""Maximum size of a key or a lock, in bytes."""


class Receiving:
    """Checks an upload while its pieces pass through; `length` counts the bytes so far.

    With `is_encrypted`, a body that is not ciphertext is refused.
    """

    def __init__(
        self,
        pieces: AsyncIterable[bytes],
        name: str | None,
        limit: int,
        *,
        is_encrypted: bool,
    ) -> None:
        self._pieces = pieces
        self._name = name
        self._limit = limit
        self._is_encrypted = is_encrypted
        self.length = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces; raises CloudError for a body that is too large or fails a check."""
        digest, begin, is_judged = hashlib.sha256(), bytearray(), not self._is_encrypted
        async for piece in self._pieces:
            self.length += len(piece)
            if self.length > self._limit:
                raise CloudError(
                    413, "too_large", f"an object may have at most {self._limit} bytes here."
                )
            digest.update(piece)
            if not is_judged:
                begin += piece[: SAMPLE - len(begin)]
                if len(begin) == SAMPLE:
                    check_ciphertext(bytes(begin), "this object")
                    is_judged, begin = True, bytearray()
            yield piece
        if not is_judged:
            check_ciphertext(bytes(begin), "this object")
        if self._name is not None and not hmac.compare_digest(digest.hexdigest(), self._name):
            raise CloudError(
                400, "wrong_hash", "the name is not the sha256 of the body; send it again."
            )


@dataclass(frozen=True, slots=True)
class Call:
    """One request of an authenticated program."""

    services: Services
    visitor: Visitor
    request: web.Request

    async def check_consent(self) -> None:
        """Raise CloudError unless the owner has agreed to the policy in force."""
        holds = await self.services.law.policies.current(self.services.now())
        check_agreed(holds, self.visitor.consent_version)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def add_blob_routes(app: web.Application, services: Services) -> None:
    """Add the blobs door to an application."""
    vault, objects = "/blobs/{vault}", "/blobs/{vault}/{type}"
    for method, path, handler in (
        ("POST", f"{vault}/", create),
        ("DELETE", f"{vault}/", remove_all),
        ("GET", f"{objects}/", list_all),
        ("HEAD", f"{vault}/config", head),
        ("GET", f"{vault}/config", get),
        ("POST", f"{vault}/config", put),
        ("DELETE", f"{vault}/config", remove),
        ("HEAD", f"{objects}/{{name}}", head),
        ("GET", f"{objects}/{{name}}", get),
        ("POST", f"{objects}/{{name}}", put),
        ("DELETE", f"{objects}/{{name}}", remove),
    ):
        app.router.add_route(method, path, _bind(handler, services))


def _bind(handler: Handler, services: Services) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            name, token = _read_basic(request)
            async with services.database() as db:
                vault = request.match_info["vault"]
                visitor = await find_visitor(db, services.secrets, name, token, vault)
            services.rates.count_request(visitor.account, services.now())
            await services.law.note_use(visitor.account)
            return await handler(Call(services, visitor, request))
        except (HeningError, OSError) as error:
            return _refuse(error)

    return handle


async def create(call: Call) -> web.StreamResponse:
    """Create a vault."""
    call.visitor.check_may_write()
    call.services.check_accepts_data()
    if call.request.query.get("create") != "true":
        raise CloudError(400, "bad_request", "create a vault with ?create=true.")
    name = decode_vault(call.request.match_info["vault"])
    await call.check_consent()
    async with call.services.database.begin() as db:
        await add_vault(db, call.visitor.account, name)
    return web.Response()


async def remove_all(call: Call) -> web.StreamResponse:
    """Remove a vault."""
    call.visitor.check_may_write()
    name = decode_vault(call.request.match_info["vault"])
    async with call.services.database.begin() as db:
        bodies = await remove_vault(db, call.visitor.account, name)
        may_remove = await may_remove_bodies(db)
    for body in bodies if may_remove else ():
        await call.services.bodies.remove(body)
    return web.Response()


async def list_all(call: Call) -> web.StreamResponse:
    """List a vault's objects of one type, in the protocol version that the client accepts."""
    kind = decode_type(call.request.match_info["type"])
    decode_vault(call.request.match_info["vault"])
    async with call.services.database() as db:
        found = await list_blobs(db, call.visitor.vault, kind)
    if V2 in call.request.headers.get("Accept", ""):
        listed: list[object] = [{"name": name, "size": length} for name, length in found]
        return web.Response(body=msgspec.json.encode(listed), content_type=V2)
    return web.Response(body=msgspec.json.encode([each for each, _ in found]), content_type=V1)


async def head(call: Call) -> web.StreamResponse:
    """Return an object's length."""
    async with call.services.database() as db:
        blob = await find_blob(db, call.visitor.account, _address(call.request))
    return web.Response(headers={"Content-Length": str(blob.length)})


async def get(call: Call) -> web.StreamResponse:
    """Return an object, or a range of it."""
    address = _address(call.request)
    async with call.services.database() as db:
        blob = await find_blob(db, call.visitor.account, address)
    first, last, status = _read_range(call.request.headers.get("Range"), blob.length)
    response = web.StreamResponse(status=status)
    response.content_type = "application/octet-stream"
    response.content_length = last - first + 1
    if status == web.HTTPPartialContent.status_code:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{blob.length}"
    pieces = call.services.bodies.get(blob.stored, first, response.content_length)
    begin = await anext(pieces, b"")  # before the headers, so that a lost body gets an error status
    await response.prepare(call.request)
    try:
        await response.write(begin)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except (HeningError, OSError):
        # The status has been sent; only an aborted connection tells that the body is incomplete.
        if call.request.transport is not None:
            call.request.transport.abort()
        raise
    return response


async def put(call: Call) -> web.StreamResponse:
    """Store an object: its body first, then its row."""
    call.visitor.check_may_write()
    address, account = _address(call.request), call.visitor.account
    if address.type != LOCKS:  # restic needs a lock even to read
        call.services.check_accepts_data()
    limit = MAX_SMALL if address.type in SMALL_TYPES or address.is_config else MAX_BODY
    length = call.request.content_length
    if length is not None and length > limit:
        raise CloudError(413, "too_large", f"an object may have at most {limit} bytes here.")
    if address.type != LOCKS:
        await call.check_consent()
    vault = call.visitor.vault
    call.visitor.check_room(length or 0)
    name = None if address.is_config else address.name
    receiving = Receiving(
        call.request.content.iter_any(),
        name,
        limit,
        is_encrypted=address.type not in SMALL_TYPES and not address.is_config,
    )
    bodies, stored = call.services.bodies, f"blobs/{vault}/{call.services.draw(16)}"
    await bodies.put(stored, receiving, is_drawn=True)
    async with call.services.database.begin() as db:
        blob = VaultBlob(receiving.length, stored)
        is_new = await execute_together(db, add_blob(db, account, vault, address, blob))
    if not is_new:
        await bodies.remove(stored)
    return web.Response()


async def remove(call: Call) -> web.StreamResponse:
    """Remove an object: its row first, so that no row refers to a missing body."""
    call.visitor.check_may_write()
    async with call.services.database.begin() as db:
        stored = await remove_blob(db, call.visitor.account, _address(call.request))
        may_remove = await may_remove_bodies(db)
    if may_remove:
        await call.services.bodies.remove(stored)
    return web.Response()


def _address(request: web.Request) -> Address:
    parts = request.match_info
    if "type" not in parts:
        return config_of(parts["vault"])
    return decode_address(parts["vault"], parts["type"], parts["name"])


def _read_basic(request: web.Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        name, colon, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        colon = name = token = ""
    if scheme.casefold() != "basic" or not colon:
        raise CloudError(401, "not_authenticated", "send a name and a token for the blobs door.")
    return name, token


def _read_range(text: str | None, length: int) -> tuple[int, int, int]:
    """Return first and last byte and the HTTP status; raises CloudError beyond the end."""
    match = _RANGE.fullmatch(text) if text is not None else None
    if match is None:
        return 0, length - 1, 200
    first = int(match[1])
    last = min(int(match[2]) if match[2] else length - 1, length - 1)
    if first > last:
        raise CloudError(416, "bad_range", f"the object has only {length} bytes.")
    return first, last, 206


def _refuse(error: Exception) -> web.Response:
    found = to_refusal(error)
    headers = dict(REALM) if found.status == web.HTTPUnauthorized.status_code else {}
    if isinstance(found, RateError):
        headers["Retry-After"] = str(found.seconds)
    return web.Response(
        status=found.status,
        text=f"{found}\n",
        headers=headers,
    )
