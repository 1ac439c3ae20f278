"""The control plane as part of a process: all operations, on the socket that the settings name."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from server.core.errors import FormatError
from server.release.api.admission import Admission, Authenticate, no_token
from server.release.api.app import Api
from server.release.api.catalogue import OPERATIONS
from server.release.api.certificates import Certificates
from server.release.api.exposure import load_tls
from server.release.api.listener import Answering, listening
from server.release.api.metrics import ApiMetrics
from server.release.api.operation import Operation, Services
from server.release.api.rates import Rates
from server.release.people.principal import Principal
from server.release.people.token_text import is_token
from server.release.people.tokens import authenticate
from server.settings import Settings
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from server.release.federation.provider import Provider


@dataclass(frozen=True, slots=True)
class Shared:
    """What a site on the API's socket has in common with it."""

    api: Answering
    services: Services
    rates: Rates
    metrics: ApiMetrics
    provider: "Provider | None"


Site = Callable[[Shared], Answering]
"""Makes what answers on the socket, and lets the API answer for the API's paths."""


def no_site(shared: Shared) -> Answering:
    """Let the API answer alone."""
    return shared.api


@contextlib.asynccontextmanager
async def serving(
    services: Services,
    registry: CollectorRegistry,
    operations: tuple[Operation, ...] = OPERATIONS,
    verify: Authenticate | None = None,
    site: Site = no_site,
) -> AsyncIterator[int]:
    """Serve `operations` until the block ends; gives the port.

    `verify` turns tokens into principals; by default these are the API tokens of the database.
    Raises FormatError for settings that would expose tokens, StorageError for a port in use.
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
    api = Api(operations, services, admission, metrics)
    answering = site(Shared(api, services, rates, metrics, provider))
    try:
        async with (
            renewing(tls, settings),
            listening(
                answering,
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
    """Keep the certificate to its files until the block ends."""
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
    """Return the identity provider of the settings; without one JOSE is not even loaded."""
    settings = services.settings
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        raise FormatError("oidc_issuer and oidc_audience go together: set both, or neither.")
    if not settings.oidc_issuer:
        return None
    from server.release.federation import identity, provider  # noqa: PLC0415 - as the docstring says

    expected = identity.Expected(settings.oidc_issuer, settings.oidc_audience)
    return provider.Provider(expected, services.epoch)


def token_verifier(services: Services, provider: "Provider | None") -> Authenticate:
    """Return what looks API tokens up in the database, and ID tokens at the provider, if any."""

    async def verify(secret: str) -> Principal:
        if not is_token(secret):  # ours has a checksum
            raise no_token()
        async with services.sessions() as session:
            return await authenticate(session, secret, services.clock())

    return verify if provider is None else _with_logins(services, provider, verify)


def _with_logins(
    services: Services, provider: "Provider", verify_token: Authenticate
) -> Authenticate:
    from server.release.federation import login  # noqa: PLC0415 - needed with a provider alone

    async def verify(secret: str) -> Principal:
        if secret.count(".") == 2:
            return await login.log_in(services.sessions, provider, secret)
        return await verify_token(secret)

    return verify
