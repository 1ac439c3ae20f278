"""The control plane as part of a process: all operations, on the socket that the settings name."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry

from server.core.errors import FormatError
from server.release.api.admission import Admission, Authenticate
from server.release.api.app import Api
from server.release.api.catalogue import OPERATIONS
from server.release.api.exposure import load_tls
from server.release.api.listener import listening
from server.release.api.metrics import ApiMetrics
from server.release.api.operation import Operation, Services
from server.release.api.rates import Rates
from server.release.people.principal import Principal
from server.release.people.tokens import authenticate
from server.storage.errors import StorageError


@contextlib.asynccontextmanager
async def serving(
    services: Services,
    registry: CollectorRegistry,
    operations: tuple[Operation, ...] = OPERATIONS,
    verify: Authenticate | None = None,
) -> AsyncIterator[int]:
    """Serve `operations` until the block ends; gives the port.

    `verify` turns tokens into principals; by default these are the API tokens of the database.
    Raises FormatError for settings that would expose tokens, StorageError for a port in use.
    """
    settings = services.settings
    tls = await asyncio.to_thread(load_tls, settings)
    rates = Rates(settings.api_rate, asyncio.get_running_loop().time)
    metrics = ApiMetrics(registry, operations)
    admission = Admission(verify or token_verifier(services), rates)
    api = Api(operations, services, admission, metrics)
    try:
        async with listening(api, settings.api_host, settings.api_port or 0, tls) as port:
            yield port
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StorageError(
            f"port {settings.api_port} is in use: choose another api_port."
        ) from error


def token_verifier(services: Services) -> Authenticate:
    """Return what looks API tokens up in the database, and ID tokens at the provider, if any."""
    settings = services.settings
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        raise FormatError("oidc_issuer and oidc_audience go together: set both, or neither.")

    async def verify(secret: str) -> Principal:
        async with services.sessions() as session:
            return await authenticate(session, secret, services.clock())

    return _with_logins(services, verify) if settings.oidc_issuer else verify


def _with_logins(services: Services, verify_token: Authenticate) -> Authenticate:
    """Return what takes ID tokens, too; without a provider JOSE is not even loaded."""
    from server.release.federation import identity, login, provider  # noqa: PLC0415 - as the docstring says

    settings = services.settings
    asked = provider.Provider(
        identity.Expected(settings.oidc_issuer, settings.oidc_audience), services.epoch
    )

    async def verify(secret: str) -> Principal:
        if secret.count(".") == 2:
            return await login.log_in(services.sessions, asked, secret)
        return await verify_token(secret)

    return verify
