"""Who is let in: exactly one `Authorization: Bearer`; no cookie, no parameter, no other scheme."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from server.release.api.listener import vouch
from server.release.api.rates import Rates
from server.release.errors import AuthenticationError
from server.release.people.principal import Principal

Authenticate = Callable[[str], Awaitable[Principal]]
"""Turns a token's text into its principal; raises AuthenticationError."""
TOKEN_LIMIT = 4096  # bytes; our own tokens are about 100, those of an identity provider longer
JWT_DOTS = 2  # in a token of an identity provider; our own have none
LOOK_UPS = 4
"""Tokens of ours that are looked up at one time for requests that are not urgent.

More take as long together and make every turn of the loop longer, for which whatever holds the
gate of SQLite's writers waits between two statements.
"""
UNKNOWN_AT_ONCE = 2
"""Urgent requests whose unknown tokens are looked up at one time, while others wait in turn.

The rates do not bound these, and each takes a connection of the database.
"""


class Admission:
    """Finds the principal of a request and counts it."""

    def __init__(self, authenticate: Authenticate, rates: Rates) -> None:
        self._authenticate = authenticate
        self._rates = rates
        self._look_ups = asyncio.Semaphore(LOOK_UPS)
        # Of tokens of an identity provider, and of our own: the provider may be asked for seconds.
        self._unknown = {is_jwt: asyncio.Semaphore(UNKNOWN_AT_ONCE) for is_jwt in (True, False)}

    async def admit(self, request: web.BaseRequest, *, is_urgent: bool = False) -> Principal:
        """Return who asks; raises AuthenticationError or RateError.

        An urgent request with a valid token is never refused for the rates.
        """
        secret = read_bearer(request)
        if not secret:
            if is_urgent:  # elsewhere it is no guess, and costs nothing
                self._rates.count_failure(secret)
            raise no_token()
        try:
            if not is_urgent:
                principal = await self._look_up(secret)
            elif self._rates.is_known(secret):
                principal = await self._authenticate(secret)
            else:
                async with self._unknown[secret.count(".") == JWT_DOTS]:
                    principal = await self._authenticate(secret)
        except AuthenticationError:
            self._rates.count_failure(secret)
            raise
        self._rates.count(secret, principal.name, is_urgent=is_urgent)
        vouch(request, principal)
        return principal

    async def _look_up(self, secret: str) -> Principal:
        """Look a token up in turn; its rate is checked then, as others of it were counted by now.

        A token of an identity provider, which may be asked for seconds, holds no other one up.
        """
        self._rates.check(secret)
        if secret.count(".") == JWT_DOTS:
            return await self._authenticate(secret)
        async with self._look_ups:
            self._rates.check(secret)
            return await self._authenticate(secret)

    def count_change(self, principal: Principal) -> None:
        """Count a change that is asked for; raises RateError when they are too many."""
        self._rates.count_change(principal.name)


def read_bearer(request: web.BaseRequest) -> str:
    """Return the text of a request's one bearer token, empty where it has none that could be."""
    given = request.headers.getall("Authorization", [])
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not secret.isascii() or len(secret) > TOKEN_LIMIT:
        return ""
    return secret


def no_token() -> AuthenticationError:
    """Return the refusal of a request without a token."""
    return AuthenticationError("Send one `Authorization: Bearer` with a valid token.")
