"""Signing in and out: at the identity provider if there is one, else with an API token.

Signing in always creates a new session secret, whatever the browser sent, and ends the browser's
former session.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from server.console.forms import csrf_token
from server.console.page import PREFIX, Page, PageContent, Redirect, Visit
from server.release.api.rates import Rates
from server.release.auth.accounts import find_by_subject
from server.release.auth.tokens import authenticate
from server.release.auth.web_sessions import (
    LIFE_SECONDS,
    Origin,
    begin_session,
    end_session,
)
from server.release.errors import AuthenticationError
from server.release.federation.code_flow import Attempt, CodeFlow

PENDING_LOGIN_SECONDS = 600  # how long a login at the identity provider may take
_PENDING_LOGIN = re.compile(r"([0-9a-f]{64})(?:\.(/.*))?")
_SESSION = re.compile(r"[0-9a-f]{64}")
_TARGET = re.compile(r"/console/[A-Za-z0-9/_.~-]{0,200}")


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """The state of a browser that is signing in: a secret, and the page to show afterwards."""

    secret: str = field(repr=False)
    target: str = ""


class Cookies:
    """Reads and writes the console's cookies. `is_secure`: browsers use TLS."""

    def __init__(self, *, is_secure: bool) -> None:
        prefix = "__Host-" if is_secure else ""
        self._session, self._pending_login = f"{prefix}hening-session", f"{prefix}hening-door"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if is_secure else "")

    def session(self, request: web.BaseRequest) -> str:
        """Return the session secret of a request, or an empty text."""
        found = _SESSION.fullmatch(request.cookies.get(self._session, ""))
        return "" if found is None else found[0]

    def pending_login(self, request: web.BaseRequest) -> PendingLogin | None:
        """Return the sign-in state of a request, or None."""
        found = _PENDING_LOGIN.fullmatch(request.cookies.get(self._pending_login, ""))
        return None if found is None else PendingLogin(found[1], check_target(found[2] or ""))

    def set_session(self, secret: str, seconds: int) -> str:
        """Return the Set-Cookie value that begins a session."""
        return f"{self._session}={secret}{self._attributes}; Max-Age={seconds}"

    def set_pending_login(self, pending_login: PendingLogin) -> str:
        """Return the Set-Cookie value that begins signing in."""
        target = f".{pending_login.target}" if pending_login.target else ""
        value = f"{self._pending_login}={pending_login.secret}{target}{self._attributes}"
        return f"{value}; Max-Age={PENDING_LOGIN_SECONDS}"

    def end_session(self) -> str:
        """Return the Set-Cookie value that removes the session."""
        return f"{self._session}={self._attributes}; Max-Age=0"

    def end_pending_login(self) -> str:
        """Return the Set-Cookie value that removes the sign-in state."""
        return f"{self._pending_login}={self._attributes}; Max-Age=0"


def check_target(text: str) -> str:
    """Return `text` if it is the path of a console page, else an empty text: no open redirect."""
    is_page = _TARGET.fullmatch(text) is not None and "//" not in text and "/." not in text
    return text if is_page else ""


PATH = f"{PREFIX}/sign-in"
CALLBACK = f"{PREFIX}/callback"
HOME = f"{PREFIX}/"
Flow = Callable[[str], CodeFlow]
"""A function that returns the login flow for a redirect address."""


class SignIn:
    """The pages for signing in; without a `flow` they accept an API token.

    Failures count as guesses of the API, and valid tokens as requests of their accounts. The
    sign-ins of an account have a rate limit of their own.
    """

    def __init__(self, cookies: Cookies, rates: Rates, flow: Flow | None, issuer: str = "") -> None:
        self._cookies = cookies
        self._rates = rates
        self._flow = flow
        self._provider = urlsplit(issuer).netloc
        self.pages = (
            Page("GET", PATH, self.show_form, is_open=True),
            Page("POST", PATH, self.use_token, is_open=True),
            Page("GET", f"{PATH}/begin", self.begin, is_open=True),
            Page("GET", CALLBACK, self.complete, is_open=True),
            Page("POST", f"{PREFIX}/sign-out", self.sign_out),
        )

    async def show_form(self, visit: Visit) -> PageContent:
        """Show the sign-in form."""
        return self._form(visit, target=check_target(visit.query.get("to", "")))

    async def use_token(self, visit: Visit) -> PageContent | Redirect:
        """Sign in with an API token; refused if there is an identity provider."""
        if self._flow is not None:
            return self._form(visit, "Tokens are only for the API here: sign in at the provider.")
        target = check_target(visit.form.get("to", ""))
        text = visit.form.get("token", "")
        self._rates.check_sign_in(text)
        services = visit.services
        try:
            async with services.sessions() as session:
                token = await authenticate(session, text, services.clock())
            self._rates.count(text, token.name)
            return await self._begin_session(visit, Origin(token.name, token=token.token), target)
        except AuthenticationError:
            self._rates.count_failure(text)
            return self._form(visit, "That is not a valid token: ask an admin for one.", target)

    async def begin(self, visit: Visit) -> PageContent | Redirect:
        """Redirect the browser to the identity provider."""
        if self._flow is None:
            return self._form(visit, "There is no identity provider here: sign in with a token.")
        target = check_target(visit.query.get("to", ""))
        pending_login = PendingLogin(visit.services.entropy(32).hex(), target)
        address = await self._flow(visit.origin + CALLBACK).begin(Attempt(pending_login.secret))
        return Redirect(address, (self._cookies.set_pending_login(pending_login),))

    async def complete(self, visit: Visit) -> PageContent | Redirect:
        """Handle the return from the provider: sign in the account of the subject, if any."""
        pending_login = self._cookies.pending_login(visit.request)
        if self._flow is None or pending_login is None:
            return self._form(visit, "Signing in took too long: start it again.")
        self._rates.check(pending_login.secret)
        services = visit.services
        flow = self._flow(visit.origin + CALLBACK)
        try:
            subject = await flow.complete(Attempt(pending_login.secret), visit.query)
            async with services.sessions() as session:
                account = await find_by_subject(session, subject)
            if account is not None:
                origin = Origin(account.name, subject=subject)
                return await self._begin_session(visit, origin, pending_login.target)
        except AuthenticationError:
            pass
        self._rates.count_failure(pending_login.secret)
        return self._form(
            visit,
            "The login failed, or you have no account here: try again, or ask an admin.",
        )

    async def sign_out(self, visit: Visit) -> Redirect:
        """End the session of this browser."""
        principal = visit.at.principal
        services = visit.services
        async with services.sessions.begin() as session:
            await end_session(session, principal, identity=principal.token, at=services.epoch())
        return Redirect(PATH, (self._cookies.end_session(),))

    async def _begin_session(self, visit: Visit, origin: Origin, target: str) -> Redirect:
        """Begin a session, and end the browser's former one; raises RateError."""
        self._rates.count_sign_in(origin.account)
        services = visit.services
        former = self._cookies.session(visit.request)
        async with services.sessions.begin() as session:
            new_session = await begin_session(
                session, services.entropy, origin, at=services.epoch(), former=former
            )
        cookies = (
            self._cookies.set_session(new_session.secret, LIFE_SECONDS),
            self._cookies.end_pending_login(),
        )
        return Redirect(target or HOME, cookies)

    def _form(self, visit: Visit, refusal: str = "", target: str = "") -> PageContent:
        # An existing sign-in state is kept, so that a second tab does not break the first one.
        pending_login = self._cookies.pending_login(visit.request)
        secret = visit.services.entropy(32).hex() if pending_login is None else pending_login.secret
        values = {
            "csrf": csrf_token(secret),
            "provider": self._provider if self._flow is not None else "",
            "refusal": refusal,
            "to": target,
        }
        status = 401 if refusal else 200
        cookie = self._cookies.set_pending_login(PendingLogin(secret))
        return PageContent("sign-in.html", values, status, (cookie,))
