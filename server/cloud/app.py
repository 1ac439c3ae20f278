"""Start the cloud: all doors on one listening socket, and the background tasks."""

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Final

from aiohttp import web
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from server.cloud.accounts.routes import ROUTES as ACCOUNTS
from server.cloud.blobs.routes import add_blob_routes
from server.cloud.law.policies import Policies, check_country
from server.cloud.law.rounds import Law
from server.cloud.law.routes import ROUTES as LAW
from server.cloud.metrics import TOTALS_SECONDS, CloudMetrics
from server.cloud.openapi import page_route
from server.cloud.owner.page import add_page_routes
from server.cloud.owner.routes import ROUTES as OWNER
from server.cloud.pepper.rotation import choose_secrets
from server.cloud.rates import Rates
from server.cloud.records.routes import ROUTES as RECORDS
from server.cloud.routing import Route, Services, make_app
from server.cloud.secrets import Secrets
from server.cloud.settings import CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.models import Site
from server.cloud.upkeep.rounds import run_rounds
from server.core.errors import FormatError
from server.storage.database import Sessions, open_database
from server.storage.layout import Place

ROUTES = (*ACCOUNTS, *RECORDS, *OWNER, *LAW, page_route((*OWNER, *LAW)))
READ_BUFFER: Final = 128 * 1024
"""Bytes of a request body to buffer. aiohttp pauses reading the socket above twice this size.

asyncio reads at most 256 KiB, twice this size, per call, so a single read does not pause it.
"""
FIXED_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


@asynccontextmanager
async def serving(
    place: Place,
    bodies: Bodies,
    peppers: Sequence[Secrets],
    settings: CloudSettings,
    now: Callable[[], int],
    entropy: Callable[[int], bytes],
    more: tuple[Route, ...] = (),
    metrics: CloudMetrics | None = None,
) -> AsyncIterator[int]:
    """Serve from the database at `place` until the block ends; yields the port.

    Uses the pepper in `peppers` that the database was encrypted with. There are two during a
    rotation. `more` holds additional routes for tests.
    """
    async with open_database(place, migrations=MIGRATIONS) as database:
        generation = await _load_generation(database, entropy)
        secrets = await choose_secrets(database, peppers)
        policies = Policies(database, settings.policy_key)
        signed = await policies.current(now())
        if signed is not None:
            check_country(signed.policy, settings.country)
        services = Services(
            database,
            bodies,
            secrets,
            settings,
            generation,
            now,
            entropy,
            rates=Rates(settings.requests_per_second, settings.logins_per_hour),
            metrics=metrics or CloudMetrics(),
            law=Law(database, bodies, secrets, policies, now, entropy),
        )
        app = make_app((*ROUTES, *more), services)
        add_blob_routes(app, services)
        add_page_routes(app, services)
        await services.law.close_due()
        runner = CloudRunner(app, settings)
        await runner.setup()
        try:
            await web.TCPSite(
                runner, settings.host, settings.port, ssl_context=load_tls(settings)
            ).start()
            async with (
                services.law.finishing(),
                _background(_count(services)),
                _background(run_rounds(services.law, settings)),
            ):
                yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _count(services: Services) -> None:
    while True:
        await services.metrics.count_totals(
            services.database, services.secrets.mark, services.now()
        )
        await asyncio.sleep(TOTALS_SECONDS)


async def _load_generation(database: Sessions, entropy: Callable[[int], bytes]) -> bytes:
    async with database() as db:
        found: bytes | None = await db.scalar(select(Site.generation))
    if found is not None:
        return found
    with suppress(IntegrityError):  # another node was faster
        async with database.begin() as db:
            await db.execute(insert(Site).values(id=1, generation=entropy(4)))
    return await _load_generation(database, entropy)


class CloudRunner(web.AppRunner):
    """Runs an application without copying anything a client sent into logs or error responses.

    If aiohttp cannot parse a request, it logs the client's address and the malformed line, which
    may contain the token. Its default response also repeats that line and names its version.
    Compressed request bodies are not decompressed.
    """

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
        server = await super()._make_server()
        return _Server(
            server.request_handler, request_factory=server.request_factory, **self._kwargs
        )


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
        """Refuse a malformed request without quoting it."""
        del exc, message
        if request.writer.output_size:
            raise ConnectionError("a response has been started; no other one can be sent")
        refusal = _Refusal(status=status, text=f"{HTTPStatus(status).phrase}\n")
        refusal.force_close()
        return refusal


class _Refusal(web.Response):
    async def _prepare_headers(self) -> None:
        # aiohttp does not call `on_response_prepare` here, because there is no request yet.
        await super()._prepare_headers()
        await _fix_headers(None, self)


async def _fix_headers(_: object, response: web.StreamResponse) -> None:  # noqa: RUF029 - a hook
    response.headers.popall("Server", None)  # it contains version numbers
    for name, value in FIXED_HEADERS.items():
        response.headers.setdefault(name, value)


def load_tls(settings: CloudSettings) -> ssl.SSLContext | None:
    """Load the TLS context from the settings' files; None if the socket serves plain HTTP.

    Raises FormatError if tokens would cross a network unencrypted, or if the certificate or key
    cannot be used.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise FormatError("tls_cert and tls_key go together: name both files, or neither.")
    if not settings.tls_cert:
        if not _is_loopback(settings.host) and not settings.behind_proxy:
            raise FormatError(
                f"tokens would cross the network unencrypted on {settings.host}: set tls_cert and"
                " tls_key, or set behind_proxy if a proxy in front terminates TLS."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # Without a password callback OpenSSL would prompt on the terminal for an encrypted key.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"tls_cert and tls_key cannot be used: {error}; use PEM files without a password."
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
