"""Signing in and out: at the identity provider where there is one, else with an API token.

A session begins with a secret of its own each time, whatever the browser brought along, and the one
that it had before is over.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from server.console.address import PREFIX
from server.console.cookies import Cookies, Door, check_target
from server.console.forms import csrf_token
from server.console.page import Moved, Page, Shown, Visit
from server.release.api.rates import Rates
from server.release.errors import AuthenticationError
from server.release.federation.code_flow import Attempt, CodeFlow
from server.release.people.accounts import find_by_subject
from server.release.people.tokens import authenticate
from server.release.people.web_sessions import (
    LIFE_SECONDS,
    Origin,
    begin_session,
    end_session,
)

PATH = f"{PREFIX}/sign-in"
CALLBACK = f"{PREFIX}/callback"
HOME = f"{PREFIX}/"
Flow = Callable[[str], CodeFlow]
"""Makes the logins that come back to an address."""


class SignIn:
    """The pages of who is not signed in yet. Without a `flow` an API token opens.

    What fails counts as the API's guesses do, a valid token as a request of its account. The
    sign-ins of an account have a rate of their own.
    """

    def __init__(self, cookies: Cookies, rates: Rates, flow: Flow | None, issuer: str = "") -> None:
        self._cookies = cookies
        self._rates = rates
        self._flow = flow
        self._provider = urlsplit(issuer).netloc
        self.pages = (
            Page("GET", PATH, self.ask, is_open=True),
            Page("POST", PATH, self.enter, is_open=True),
            Page("GET", f"{PATH}/begin", self.begin, is_open=True),
            Page("GET", CALLBACK, self.come_back, is_open=True),
            Page("POST", f"{PREFIX}/sign-out", self.leave),
        )

    async def ask(self, visit: Visit) -> Shown:
        """Show how to sign in."""
        return self._form(visit, target=check_target(visit.query.get("to", "")))

    async def enter(self, visit: Visit) -> Shown | Moved:
        """Sign in with an API token; where there is a provider, tokens open the API alone."""
        if self._flow is not None:
            return self._form(visit, "Tokens open the API alone here: sign in at the provider.")
        target = check_target(visit.form.get("to", ""))
        text = visit.form.get("token", "")
        self._rates.check_sign_in(text)
        services = visit.services
        try:
            async with services.sessions() as session:
                token = await authenticate(session, text, services.clock())
            self._rates.count(text, token.name)
            return await self._let_in(visit, Origin(token.name, token=token.token), target)
        except AuthenticationError:
            self._rates.count_failure(text)
            return self._form(visit, "That is no valid token: ask an admin for one.", target)

    async def begin(self, visit: Visit) -> Shown | Moved:
        """Send the browser to the provider."""
        if self._flow is None:
            return self._form(visit, "Nobody signs in at a provider here.")
        target = check_target(visit.query.get("to", ""))
        door = Door(visit.services.entropy(32).hex(), target)
        address = await self._flow(visit.origin + CALLBACK).begin(Attempt(door.secret))
        return Moved(address, (self._cookies.set_door(door),))

    async def come_back(self, visit: Visit) -> Shown | Moved:
        """Let in whom the provider says it is, if an account is theirs."""
        door = self._cookies.door(visit.request)
        if self._flow is None or door is None:
            return self._form(visit, "Signing in took too long: begin again.")
        self._rates.check(door.secret)
        services = visit.services
        flow = self._flow(visit.origin + CALLBACK)
        try:
            subject = await flow.complete(Attempt(door.secret), visit.query)
            async with services.sessions() as session:
                account = await find_by_subject(session, subject)
            if account is not None:
                origin = Origin(account.name, subject=subject)
                return await self._let_in(visit, origin, door.target)
        except AuthenticationError:
            pass
        self._rates.count_failure(door.secret)
        return self._form(
            visit,
            "The login did not hold, or no account here is yours: try again, or ask an admin.",
        )

    async def leave(self, visit: Visit) -> Moved:
        """End the session of this browser."""
        principal = visit.at.principal
        services = visit.services
        async with services.sessions.begin() as session:
            await end_session(session, principal, identity=principal.token, at=services.epoch())
        return Moved(PATH, (self._cookies.end_session(),))

    async def _let_in(self, visit: Visit, origin: Origin, target: str) -> Moved:
        """Begin a session and end the one that the browser had; raises RateError."""
        self._rates.count_sign_in(origin.account)
        services = visit.services
        former = self._cookies.session(visit.request)
        async with services.sessions.begin() as session:
            begun = await begin_session(
                session, services.entropy, origin, at=services.epoch(), former=former
            )
        cookies = (
            self._cookies.set_session(begun.secret, LIFE_SECONDS),
            self._cookies.end_door(),
        )
        return Moved(target or HOME, cookies)

    def _form(self, visit: Visit, refusal: str = "", target: str = "") -> Shown:
        # A door that is there is kept, so that a second tab does not spoil the first.
        door = self._cookies.door(visit.request)
        secret = visit.services.entropy(32).hex() if door is None else door.secret
        values = {
            "csrf": csrf_token(secret),
            "provider": self._provider if self._flow is not None else "",
            "refusal": refusal,
            "to": target,
        }
        status = 401 if refusal else 200
        cookie = self._cookies.set_door(Door(secret))
        return Shown("sign-in.html", values, status, (cookie,))
