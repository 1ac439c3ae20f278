"""The cloud's HTTP server: nothing that a client sends gets into the log or into an answer.

aiohttp logs a request that it cannot parse with the client's address and with the line that is
wrong, which may be the one with the token. It answers with that line, too, and with its version.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Final

from aiohttp import web

from server.cloud.settings import CloudSettings

READ_BUFFER: Final = 128 * 1024
"""Bytes of a body that wait: above twice as many its socket is not read until some are taken.

asyncio reads so many at most, so that one read does not stop the next.
"""
FIXED_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


class CloudRunner(web.AppRunner):
    """Runs an application. Bodies come as they were sent: a compressed one is not expanded."""

    def __init__(self, app: web.Application, settings: CloudSettings) -> None:
        super().__init__(
            app,
            access_log=None,
            logger=_SILENT,
            keepalive_timeout=settings.idle_seconds,
            read_bufsize=READ_BUFFER,
            auto_decompress=False,
        )
        app.on_response_prepare.append(_fix_headers)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **self._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what is no request, without a word of it."""
        del exc, message
        if request.writer.output_size:
            raise ConnectionError("an answer has begun; nothing else can be sent")
        refusal = _Refusal(status=status, text=f"{HTTPStatus(status).phrase}\n")
        refusal.force_close()
        return refusal


class _Refusal(web.Response):
    async def _prepare_headers(self) -> None:
        # There is no request yet, so that `on_response_prepare` is not called.
        await super()._prepare_headers()
        await _fix_headers(None, self)


async def _fix_headers(_: object, response: web.StreamResponse) -> None:  # noqa: RUF029 - a hook
    response.headers.popall("Server", None)  # it names versions
    for name, value in FIXED_HEADERS.items():
        response.headers.setdefault(name, value)
