"""Who is let in: exactly one `Authorization: Bearer`; no cookie, no parameter, no other scheme."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.release.api.listener import vouch
from server.release.api.rates import Rates
from server.release.errors import AuthenticationError
from server.release.people.principal import Principal

Authenticate = Callable[[str], Awaitable[Principal]]
"""Turns a token's text into its principal; raises AuthenticationError."""
TOKEN_LIMIT = 4096  # octets; our own tokens are about 100, those of an identity provider longer


class Admission:
    """Finds the principal of a request and counts it."""

    def __init__(self, authenticate: Authenticate, rates: Rates) -> None:
        self._authenticate = authenticate
        self._rates = rates

    async def admit(self, request: web.BaseRequest, *, is_urgent: bool = False) -> Principal:
        """Return who asks; raises AuthenticationError or RateError.

        What is urgent is taken from a valid token whatever the rates say.
        """
        given = request.headers.getall("Authorization", [])
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not secret.isascii() or len(secret) > TOKEN_LIMIT:
            secret = ""
        if not secret:  # no guess, and it costs nothing
            raise AuthenticationError("Send one `Authorization: Bearer` with a valid token.")
        if not is_urgent:
            self._rates.check_unknown(secret)
        try:
            principal = await self._authenticate(secret)
        except AuthenticationError:
            self._rates.count_failure(secret)
            raise
        self._rates.count(secret, is_urgent=is_urgent)
        vouch(request)
        return principal
