"""Strict decoding of bodies and queries to typed values: everything undeclared is refused.

msgspec decodes by type, so a body that does not fit is refused at almost no cost. But it accepts
repeated names, of which the last counts, NUL, and lone surrogates. The code here refuses these,
after the body has fitted its type, which limits its size. With the limits of `operation`, all of
this takes at most a millisecond or two on the event loop.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from server.release.api.operation import Operation
from server.release.api.problems import ProblemError
from server.release.auth.principal import holds_token
from server.release.errors import TooLargeError

MAX_QUOTES = 4096
"""Maximum unescaped quotation marks of a body: an account with 1000 codenames has about 2000.

The type does not limit repeated names, and each value is checked against a pattern.
"""
MAX_PARAMETERS = 32
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")
_BOOLEANS = {"true": True, "false": False}


def decode_body(data: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the struct in a JSON body; raises ProblemError 400 or 422."""
    try:
        text = data.decode("utf-8")
        # Escaped text is checked below. Problem documents are redacted, too.
        _check_tokens(text)
        if text.replace('\\"', "").count('"') > MAX_QUOTES:
            raise _malformed("the body has more strings than any operation accepts")
        value = msgspec.json.decode(text, type=kind, strict=True)
        plain = json.loads(text, object_pairs_hook=_no_duplicates)
    except msgspec.ValidationError as error:
        raise _invalid("body", error) from error
    except RecursionError as error:
        raise _malformed("the body is nested too deeply") from error
    except ValueError as error:  # JSON or UTF-8
        raise _malformed("the body is not JSON in UTF-8") from error
    if "\\" in text:  # without escapes, the check above was complete
        _check_value(plain)
    return value


def decode_query(text: str, kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    """Return the struct in a query string; raises ProblemError 400 or 422."""
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError as error:
        raise _malformed("the query is malformed") from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _malformed("a parameter of the query is given twice")
    _check_value(values)
    if kind is None:
        if values:
            raise ProblemError(422, "invalid", "This operation has no query: leave it out.")
        return None
    typed: dict[str, Any] = dict(values)
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(f"{kind.__name__} is not a struct")
    for member in info.fields:
        if (given := values.get(member.encode_name)) is not None:
            typed[member.encode_name] = _scalar(given, member.type)
    try:
        return msgspec.convert(typed, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid("query", error) from error


def _scalar(text: str, kind: msgspec.inspect.Type) -> str | int | bool:
    """Convert a parameter in canonical spelling; others stay text, which their type refuses."""
    while isinstance(kind, msgspec.inspect.Metadata | msgspec.inspect.UnionType):
        if isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        else:
            kind = next(t for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
    if isinstance(kind, msgspec.inspect.IntType) and _INTEGER.fullmatch(text):
        return int(text)
    if isinstance(kind, msgspec.inspect.BoolType):
        return _BOOLEANS.get(text, text)
    return text


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _malformed("a member of the body is given twice")
    return value


def _check_value(value: object) -> None:
    match value:
        case dict():
            for key, item in value.items():
                _check_text(key)
                _check_value(item)
        case list():
            for item in value:
                _check_value(item)
        case str():
            _check_text(value)
        case _:
            pass


def _check_text(text: str) -> None:
    """Refuse NUL and lone surrogates, which no database column accepts, and tokens."""
    if _UNSTORABLE.search(text):
        raise _malformed("a text contains NUL or half of a surrogate pair")
    _check_tokens(text)


def _check_tokens(text: str) -> None:
    """Refuse tokens: no operation accepts one in a field that other callers can read."""
    if holds_token(text):
        raise ProblemError(
            422,
            "invalid",
            "The request contains a token where none belongs: revoke it, and leave it out.",
        )


def _malformed(reason: str) -> ProblemError:
    return ProblemError(400, "malformed", f"{reason}: correct the request.")


def _invalid(where: str, error: msgspec.ValidationError) -> ProblemError:
    return ProblemError(422, "invalid", f"The {where} does not fit: {error}.")


BODY_SECONDS = 30.0  # for a complete body, of 64 KiB at most
SILENCE_SECONDS = 30.0  # between two chunks of a streamed body


async def receive_body(
    request: web.BaseRequest, operation: Operation, seconds: float = BODY_SECONDS
) -> bytes:
    """Return the body of a request for `operation`; raises ProblemError or TooLargeError.

    A body over the limit is not read to its end.
    """
    if operation.request is None:
        if request.content_length or "Transfer-Encoding" in request.headers:
            raise ProblemError(400, "malformed", "This operation has no body: leave it out.")
        return b""
    return await receive_bytes(request, operation.content_type, operation.limit, seconds)


async def receive_bytes(
    request: web.BaseRequest, content_type: str, limit: int, seconds: float = BODY_SECONDS
) -> bytes:
    """Return a body of at most `limit` bytes that arrives within `seconds`.

    Raises like `receive_body`.
    """
    check_media_type(request, content_type)
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    await invite_body(request)
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece, _ in request.content.iter_chunks():
                data += piece
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise ProblemError(
            408, "too-slow", "The body did not arrive in time: send it faster."
        ) from error
    except web.RequestPayloadError as error:
        raise _unframed() from error
    return bytes(data)


def check_media_type(request: web.BaseRequest, expected: str) -> None:
    """Raise ProblemError (415) unless a body has the `expected` type and no content coding."""
    kind = [part.strip().lower() for part in request.headers.get("Content-Type", "").split(";")]
    if kind[0] != expected or kind[1:] not in ([], ["charset=utf-8"]):
        raise ProblemError(
            415, "media-type", f"This operation needs a body with Content-Type: {expected}."
        )
    if "Content-Encoding" in request.headers:
        raise ProblemError(
            415,
            "media-type",
            "Bodies are not decompressed: send it without Content-Encoding.",
        )


async def stream_body(request: web.BaseRequest, limit: int) -> AsyncIterator[bytes]:
    """Yield a body of at most `limit` bytes as it arrives; raises ProblemError, TooLargeError."""
    refusal = _too_large(limit)
    if (request.content_length or 0) > limit:
        raise refusal
    pieces = request.content.iter_any()
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                piece = await anext(pieces, b"")
            if not piece:
                return
            limit -= len(piece)
            if limit < 0:
                raise refusal
            yield piece
    except TimeoutError as error:
        raise ProblemError(
            408, "too-slow", "The body paused for too long: send it again."
        ) from error
    except web.RequestPayloadError as error:
        raise _unframed() from error


async def invite_body(request: web.BaseRequest) -> None:
    """Send `100 Continue` if the client expects it; raises ProblemError (417) for other values."""
    expected = request.headers.get("Expect", "")
    if expected and expected.lower() != "100-continue":
        raise ProblemError(
            417, "expectation", "Expect may only be 100-continue: leave the header out."
        )
    if expected and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is not part of the answer


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"The body is over the limit of {limit} bytes: send less in one request.")


def _unframed() -> ProblemError:
    sentence = "The framing of the body is invalid: send Content-Length, or complete chunks."
    return ProblemError(400, "malformed", sentence)
