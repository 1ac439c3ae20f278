"""Request handling of the console: session, form, handler, page; errors become pages, too.

Paths outside of the console go to the API, which ignores cookies.
"""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

import structlog
from aiohttp import web

from server.console import accounts, changes, channels, releases
from server.console.forms import csrf_token, decode_fields, receive_form
from server.console.overview import Overview, ProcessState
from server.console.page import (
    PREFIX,
    Address,
    Download,
    OperationsClient,
    Page,
    PageContent,
    Redirect,
    Visit,
    find_address,
)
from server.console.rendering import Pages
from server.console.sign_in import HOME, PATH, Cookies, Flow, PendingLogin, SignIn
from server.release.api.app import locate
from server.release.api.listener import Answering, record_account
from server.release.api.operation import path_regex
from server.release.api.problems import ProblemError, describe
from server.release.api.serving import Shared, Site
from server.release.auth.principal import Permission, Principal
from server.release.auth.web_sessions import find_session
from server.release.errors import AuthenticationError
from server.release.federation.code_flow import load_client_secret
from server.settings import Settings

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        # With no-referrer, browsers would not send the Origin of the console's own forms.
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
)
"""The headers of every page, in addition to the fixed ones of the listener."""
FOR_EVER = "private, max-age=31536000, immutable"
VISITOR = web.RequestKey("VISITOR", Principal)
log = structlog.get_logger()


class Console:
    """Answers requests below `/console`, and passes all others to the API."""

    def __init__(
        self,
        shared: Shared,
        pages: tuple[Page, ...],
        templates: Pages,
        address: Address,
        cookies: Cookies,
    ) -> None:
        self._shared = shared
        self._services = shared.services
        self._templates = templates
        self._address = address
        self._cookies = cookies
        paths: dict[str, dict[str, Page]] = {}
        for page in pages:
            paths.setdefault(page.path, {})[page.method] = page
        self._paths: list[tuple[re.Pattern[str], dict[str, Page]]] = [
            (path_regex(path), paths[path]) for path in sorted(paths, key=lambda p: p.count("{"))
        ]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ConnectionError if its client is gone."""
        path = request.raw_path.partition("?")[0]
        if path not in {"/", PREFIX} and not path.startswith(HOME):
            return await self._shared.api.handle(request)
        try:
            response = await self._answer(request, path)
        except Exception as error:  # noqa: BLE001 - every error is answered by a page
            if request.transport is None:
                raise ConnectionError("the client is gone") from None
            response = self._refuse(error, request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def fail(self, error: BaseException | None) -> web.StreamResponse:
        """Answer an error that was raised outside of `handle`; for the listener."""
        return self._shared.api.fail(error)

    def refuse_malformed(self) -> web.StreamResponse:
        """Answer bytes that are not an HTTP request; for the listener."""
        return self._shared.api.refuse_malformed()

    async def _answer(self, request: web.BaseRequest, path: str) -> web.Response:
        if path in {"/", PREFIX}:
            return _redirect(Redirect(HOME))
        asset = self._templates.assets.get(path)
        if asset is not None and request.method in {"GET", "HEAD"}:
            headers = {"Cache-Control": FOR_EVER, "Content-Type": asset[1]}
            return web.Response(body=asset[0], headers=headers)
        page, values = self._find(request.method, path)
        if not page.is_urgent:
            await self._services.urgent_priority.enter()
        origin = self._address.origin(request.headers.get("Host", ""))
        visitor = None if page.is_open else await self._admit(request, page)
        if visitor is not None:
            request[VISITOR] = visitor
        if visitor is None and not page.is_open:
            if request.method == "POST":
                raise AuthenticationError("your session is over: sign in, then do it again.")
            return _redirect(Redirect(f"{PATH}?to={quote(path)}"))
        pending_login = self._cookies.pending_login(request) or PendingLogin("")
        secret = self._cookies.session(request) if visitor is not None else pending_login.secret
        form: dict[str, str] = {}
        if request.method == "POST":
            form = await receive_form(request, origin, secret)
        query = decode_fields(request.raw_path.partition("?")[2])
        operations = None
        if visitor is not None:
            operations = OperationsClient(visitor, self._services, request, self._shared.rates)
        visit = Visit(request, origin, self._services, values, query, form, secret, operations)
        return self._respond(await page.handler(visit), visitor, secret)

    async def _admit(self, request: web.BaseRequest, page: Page) -> Principal | None:
        """Return the signed-in account, or None; raises RateError.

        Failed attempts and requests count towards the API's rates.
        """
        secret = self._cookies.session(request)
        if not secret:
            return None
        rates = self._shared.rates
        if not page.is_urgent:
            rates.check(secret)
        try:
            principal = await find_session(self._services.sessions, secret, self._services.epoch())
        except AuthenticationError:
            rates.count_failure(secret)
            return None
        rates.count(secret, principal.name, is_urgent=page.is_urgent)
        record_account(request, principal)
        return principal

    def _find(self, method: str, path: str) -> tuple[Page, dict[str, str]]:
        try:
            decoded = unquote(path, errors="strict")
        except ValueError:
            decoded = ""
        for regex, methods in self._paths:
            if (found := regex.fullmatch(decoded)) is None:
                continue
            page = methods.get("GET" if method == "HEAD" else method)
            if page is None:
                allowed = ", ".join(sorted(methods))
                raise ProblemError(
                    405, "method-not-allowed", f"This page allows {allowed}.", {"Allow": allowed}
                )
            return page, found.groupdict()
        raise ProblemError(404, "not-found", "There is no such page.")

    def _respond(
        self, content: PageContent | Redirect | Download, principal: Principal | None, secret: str
    ) -> web.Response:
        if isinstance(content, Redirect):
            return _redirect(content)
        if isinstance(content, Download):
            return _save(content)
        return self._show(content, principal, secret)

    def _show(self, content: PageContent, principal: Principal | None, secret: str) -> web.Response:
        values: dict[str, Any] = {
            "who": principal,
            "csrf": csrf_token(secret) if principal is not None else "",
            "sees_accounts": principal is not None and principal.is_allowed(Permission.PEOPLE),
            "sees_audit_log": principal is not None and principal.is_allowed(Permission.AUDIT),
            "now": self._services.epoch(),
            **content.values,
        }
        body = self._templates.render(content.template, values)
        response = web.Response(
            body=body, status=content.status, content_type="text/html", charset="utf-8"
        )
        _set_cookies(response, content.cookies)
        return response

    def _refuse(self, error: Exception, request: web.BaseRequest) -> web.Response:
        incident = self._services.entropy(8).hex()
        refusal = describe(error, incident)
        self._shared.metrics.count_refusal(error)
        problem = refusal.problem
        if problem.status >= 500:
            log.error("the console failed", incident=incident, error=locate(error))
        path = request.raw_path.partition("?")[0]
        # The path of an action is one segment longer than that of its page.
        back = path if request.method == "GET" else path.rpartition("/")[0]
        values = {"problem": problem, "incident": incident, "back": back}
        content = PageContent("problem.html", values, problem.status)
        response = self._show(content, request.get(VISITOR), self._cookies.session(request))
        for name, value in refusal.headers.items():
            if name != "WWW-Authenticate":  # a browser would ask for a password
                response.headers[name] = value
        return response


def _redirect(moved: Redirect) -> web.Response:
    response = web.Response(status=303, headers={"Location": moved.location})
    response.headers.popall("Content-Type", None)
    _set_cookies(response, moved.cookies)
    return response


def _save(file: Download) -> web.Response:
    disposition = f'attachment; filename="{file.name}"'
    return web.Response(
        body=file.data,
        content_type="application/json",
        headers={"Content-Disposition": disposition},
    )


def _set_cookies(response: web.Response, cookies: tuple[str, ...]) -> None:
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)


def open_console(settings: Settings, process: ProcessState) -> Site:
    """Return the console as a site for the API's listener. Reads templates and the client secret.

    Raises FormatError if the settings lack the console's address, TrustError if other users can
    read the secret.
    """
    address = find_address(settings)
    templates = Pages()
    file = settings.oidc_client_secret_file
    secret = load_client_secret(Path(file)) if file else ""

    def site(shared: Shared) -> Answering:
        cookies = Cookies(is_secure=address.is_secure)
        flow = _make_flow(shared, secret)
        sign_in = SignIn(cookies, shared.rates, flow, settings.oidc_issuer)
        overview = Overview(process)
        pages = (
            *sign_in.pages,
            *overview.pages,
            *channels.PAGES,
            *changes.PAGES,
            *releases.PAGES,
            *accounts.PAGES,
        )
        return Console(shared, pages, templates, address, cookies)

    return site


def _make_flow(shared: Shared, secret: str) -> Flow | None:
    provider = shared.provider
    if provider is None:
        return None
    from server.release.federation.code_flow import CodeFlow  # noqa: PLC0415 - as in serving.py

    return lambda redirect_uri: CodeFlow(provider, redirect_uri, secret)
