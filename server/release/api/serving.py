"""Serves the control plane in a process: TLS, the verification of tokens, and the listener."""

import asyncio
import contextlib
import errno
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from server.core.errors import FormatError
from server.release.api.accept_queue import Admission, Authenticate, no_token
from server.release.api.app import Api
from server.release.api.catalogue import OPERATIONS
from server.release.api.decode import BODY_SECONDS
from server.release.api.listener import Answering, listening
from server.release.api.operation import Operation, Services
from server.release.api.rates import Rates
from server.release.api.status import ApiMetrics
from server.release.auth.principal import Principal, is_token
from server.release.auth.tokens import authenticate
from server.settings import Settings
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from server.release.federation.provider import Provider

POLL_SECONDS = 10.0
Identity = tuple[tuple[int, int, int], ...]
log = structlog.get_logger()


class Certificates:
    """Reloads the certificate of a listening `context` when its files change.

    `load` returns a context made from the files, and raises FormatError if they cannot be used.
    """

    def __init__(
        self, context: ssl.SSLContext, load: Callable[[], ssl.SSLContext | None], files: list[Path]
    ) -> None:
        self._load = load
        self._files = files
        self._current = context
        self._read: Identity | None = None
        self._refused: Identity | None = None
        # Each load makes a new context, so that files that do not match leave the good one intact.
        context.sni_callback = self._choose

    async def run(self) -> None:
        """Check the files every POLL_SECONDS, until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Load the files if they changed; unusable ones raise an alarm, once."""
        found: Identity | None = None
        try:
            found = await asyncio.to_thread(self._identify)
            if found in {self._read, self._refused}:
                return
            fresh = await asyncio.to_thread(self._load)
            if fresh is not None:
                self._current = fresh
        except (FormatError, OSError) as error:
            if found is None or found != self._refused:
                log.error("alarm", error=f"the former certificate stays in use: {error}")
            self._refused = found
            return
        if self._read is not None:
            log.info("the certificate was read again")
        self._read, self._refused = found, None

    def _identify(self) -> Identity:
        stats = [file.stat() for file in self._files]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current


def is_loopback(host: str) -> bool:
    """Answer whether `host` is a loopback address or `localhost`; other names do not count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the API's TLS context, or None without TLS.

    Raises FormatError if tokens would cross a network unencrypted, and for an unusable certificate
    or key. Reads files.
    """
    if bool(settings.api_cert) != bool(settings.api_key):
        raise FormatError("api_cert and api_key go together: name both files, or neither.")
    if not settings.api_cert:
        if not is_loopback(settings.api_host) and not settings.api_behind_proxy:
            raise FormatError(
                f"the API would receive tokens unencrypted on {settings.api_host}: set api_cert and"
                " api_key, or api_behind_proxy if a proxy in front of it uses TLS."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # Without the empty password, OpenSSL would prompt for that of an encrypted key.
        context.load_cert_chain(settings.api_cert, settings.api_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"api_cert and api_key cannot be used: {error}; name PEM files without a password."
        ) from error
    return context


@dataclass(frozen=True, slots=True)
class Shared:
    """The API's objects that a site on the same listener uses."""

    api: Answering
    services: Services
    rates: Rates
    metrics: ApiMetrics
    provider: "Provider | None"


Site = Callable[[Shared], Answering]
"""A function that returns the listener's handler, which passes the API's paths to the API."""


@contextlib.asynccontextmanager
async def serving(
    services: Services,
    registry: CollectorRegistry,
    operations: tuple[Operation, ...] = OPERATIONS,
    verify: Authenticate | None = None,
    site: Site | None = None,
) -> AsyncIterator[int]:
    """Serve `operations` until the block ends; yield the port.

    `verify` turns tokens into principals; by default it looks up API tokens in the database, and
    verifies ID tokens if there is an identity provider. Raises FormatError for settings that would
    expose tokens, StorageError for a port in use.
    """
    settings = services.settings
    tls = await asyncio.to_thread(load_tls, settings)
    rates = Rates(
        settings.api_rate,
        settings.sign_ins_per_hour,
        settings.changes_per_hour,
        asyncio.get_running_loop().time,
    )
    metrics = ApiMetrics(registry, operations)
    provider = make_provider(services)
    admission = Admission(verify or token_verifier(services, provider), rates)
    api = Api(operations, services, admission, metrics, BODY_SECONDS)
    shared = Shared(api, services, rates, metrics, provider)
    try:
        async with (
            renewing(tls, settings),
            listening(
                api if site is None else site(shared),
                settings.api_host,
                settings.api_port or 0,
                tls,
                connections=settings.api_connections,
                refusals=settings.refusals_per_second,
                count_limit=metrics.count_limit,
            ) as port,
        ):
            yield port
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StorageError(
            f"port {settings.api_port} is in use: choose another api_port."
        ) from error


@contextlib.asynccontextmanager
async def renewing(tls: ssl.SSLContext | None, settings: Settings) -> AsyncIterator[None]:
    """Reload the certificate when its files change, until the block ends."""
    if tls is None:
        yield
        return
    files = [Path(settings.api_cert), Path(settings.api_key)]
    task = asyncio.create_task(Certificates(tls, lambda: load_tls(settings), files).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def make_provider(services: Services) -> "Provider | None":
    """Return the identity provider of the settings, or None; only with one is JOSE imported."""
    settings = services.settings
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        raise FormatError("oidc_issuer and oidc_audience go together: set both, or neither.")
    if not settings.oidc_issuer:
        return None
    from server.release.federation import provider  # noqa: PLC0415 - as the docstring says

    expected = provider.Expected(settings.oidc_issuer, settings.oidc_audience)
    return provider.Provider(expected, services.epoch)


def token_verifier(services: Services, provider: "Provider | None") -> Authenticate:
    """Return a function that looks up API tokens, and verifies ID tokens if there is a provider."""

    async def verify(secret: str) -> Principal:
        if not is_token(secret):  # API tokens have a checksum
            raise no_token()
        async with services.sessions() as session:
            return await authenticate(session, secret, services.clock())

    return verify if provider is None else _with_logins(services, provider, verify)


def _with_logins(
    services: Services, provider: "Provider", verify_token: Authenticate
) -> Authenticate:
    from server.release.federation import code_flow  # noqa: PLC0415 - only needed with a provider

    async def verify(secret: str) -> Principal:
        if secret.count(".") == 2:
            return await code_flow.log_in(services.sessions, provider, secret)
        return await verify_token(secret)

    return verify
