"""Reading a request's body: never more than the limit, never longer than a while.

Whoever waits with its body for `100 Continue` is asked for it only here, after its token was found
good; curl does so with more than 1 MiB.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from server.release.api.operation import Operation
from server.release.api.problems import ProblemError
from server.release.errors import TooLargeError

BODY_SECONDS = 30.0  # for a body that is read as a whole, of 64 KiB at most
SILENCE_SECONDS = 30.0  # between two pieces of a body that is read as it arrives


async def receive_body(
    request: web.BaseRequest, operation: Operation, seconds: float = BODY_SECONDS
) -> bytes:
    """Return the body's octets; raises ProblemError or TooLargeError before it is all read."""
    if operation.request is None:
        if request.content_length or "Transfer-Encoding" in request.headers:
            raise ProblemError(400, "malformed", "This operation takes no body: leave it out.")
        return b""
    return await receive_octets(request, operation.content_type, operation.limit, seconds)


async def receive_octets(
    request: web.BaseRequest, content_type: str, limit: int, seconds: float = BODY_SECONDS
) -> bytes:
    """Return a body of at most `limit` octets; raises as `receive_body` does.

    It has `seconds` to arrive.
    """
    check_media_type(request, content_type)
    if (request.content_length or 0) > limit:
        raise TooLargeError(f"The body is over the limit of {limit} bytes: send less at once.")
    await invite_body(request)
    octets = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece, _ in request.content.iter_chunks():
                octets += piece
                if len(octets) > limit:
                    raise TooLargeError(
                        f"The body is over the limit of {limit} bytes: send less at once."
                    )
    except TimeoutError as error:
        raise ProblemError(
            408, "too-slow", "The body did not arrive in time: send it faster."
        ) from error
    except web.RequestPayloadError as error:
        raise _unframed() from error
    return bytes(octets)


def check_media_type(request: web.BaseRequest, expected: str) -> None:
    """Raise ProblemError (415) unless a body is of the `expected` type, and without a coding."""
    kind = [part.strip().lower() for part in request.headers.get("Content-Type", "").split(";")]
    if kind[0] != expected or kind[1:] not in ([], ["charset=utf-8"]):
        raise ProblemError(
            415, "media-type", f"The body of this operation is {expected}: say so in Content-Type."
        )
    if "Content-Encoding" in request.headers:
        raise ProblemError(
            415,
            "media-type",
            "A body is taken as it is: send it without Content-Encoding.",
        )


async def stream_body(request: web.BaseRequest, limit: int) -> AsyncIterator[bytes]:
    """Yield a body as it arrives, `limit` octets at most; raises ProblemError or TooLargeError."""
    told = TooLargeError(f"The body is over the limit of {limit} bytes: send less at once.")
    if (request.content_length or 0) > limit:
        raise told
    pieces = request.content.iter_any()
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                piece = await anext(pieces, b"")
            if not piece:
                return
            limit -= len(piece)
            if limit < 0:
                raise told
            yield piece
    except TimeoutError as error:
        raise ProblemError(
            408, "too-slow", "The body paused for too long: send it again."
        ) from error
    except web.RequestPayloadError as error:
        raise _unframed() from error


async def invite_body(request: web.BaseRequest) -> None:
    """Send `100 Continue` to whoever waits for it; raises ProblemError (417) for other wishes."""
    expected = request.headers.get("Expect", "")
    if expected and expected.lower() != "100-continue":
        raise ProblemError(
            417, "expectation", "Of Expect only 100-continue is known: leave it out."
        )
    if expected and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what was sent is no part of the answer


def _unframed() -> ProblemError:
    sentence = "The body is not framed as HTTP has it: send Content-Length, or whole chunks."
    return ProblemError(400, "malformed", sentence)
