"""The declaration of a console page, its content, and the client for the API's operations.

The client calls the same handlers as the API, with the same checks, but without HTTP. So the
console has no implementation of its own of any operation.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from server.core.errors import FormatError
from server.release.api.catalogue import OPERATIONS
from server.release.api.operation import Call, Reply, Services
from server.release.api.pagination import PageQuery
from server.release.api.problems import ProblemError
from server.release.api.rates import Rates
from server.release.api.serving import is_loopback
from server.release.auth.principal import Principal
from server.release.rollouts.commands import ANY, read_if_match
from server.settings import Settings

EVERY = PageQuery(limit=1_000_000)
"""The query of a page that needs all items: the limit of the API is for its clients only."""
_BY_ID = MappingProxyType({operation.id: operation for operation in OPERATIONS})


class OperationsClient:
    """Calls operations of the API as the signed-in `principal`."""

    def __init__(
        self, principal: Principal, services: Services, request: web.BaseRequest, rates: Rates
    ) -> None:
        self.principal = principal
        self.services = services
        self._request = request
        self._rates = rates

    async def do(
        self,
        operation: str,
        path: Mapping[str, str] = MappingProxyType({}),
        *,
        query: Mapping[str, Any] | msgspec.Struct = MappingProxyType({}),
        body: Mapping[str, Any] = MappingProxyType({}),
        etag: str = "",
    ) -> Any:  # noqa: ANN401 - of the type that the operation declares
        """Return the body of an operation's reply; raises the operation's errors.

        `etag` is that of the state which the page showed, for operations with If-Match.
        """
        definition = _BY_ID[operation]
        if definition.permission is not None:
            self.principal.check(definition.permission)
        if definition.is_change:
            self._rates.count_change(self.principal.name)
        headers: dict[str, str] = {}
        if definition.if_match:
            tags = read_if_match(etag)
            if len(tags) != 1 or tags == [ANY]:
                raise ProblemError(428, "match-required", "This page is old: open it again.")
            headers["If-Match"] = etag
        parameters = (
            query if isinstance(query, msgspec.Struct) else _convert(query, definition.query)
        )
        decoded = _convert(body, definition.request)
        call = Call(
            self.principal, path, parameters, decoded, headers, self._request, self.services
        )
        reply = await definition.perform(call, definition.handler)
        if not isinstance(reply, Reply):
            raise TypeError(f"{operation} streams, so a page cannot show its answer")
        return reply.body


def _convert(values: Mapping[str, Any], kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    if kind is None:
        return None
    try:
        return msgspec.convert(dict(values), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid", f"The form is not valid: {error}.") from error


@dataclass(frozen=True, slots=True)
class Visit:
    """A checked request to a page. `secret` is that of the browser's session or pending login.

    `operations` is set for every page that needs a session.
    """

    request: web.BaseRequest
    origin: str
    services: Services
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    secret: str = field(repr=False)
    operations: OperationsClient | None = None

    @property
    def at(self) -> OperationsClient:
        """The client for operations as the signed-in account; TypeError for an open page."""
        if self.operations is None:
            raise TypeError("an open page has no signed-in account")
        return self.operations


@dataclass(frozen=True, slots=True)
class PageContent:
    """The content of a page: a template and its values, the status, and Set-Cookie values."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to another page, after an action."""

    location: str
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """A JSON file that the browser saves while it keeps showing the present page."""

    name: str
    data: bytes


Handler = Callable[[Visit], Awaitable[PageContent | Redirect | Download]]


@dataclass(frozen=True, slots=True)
class Page:
    """A handler for a method and a path; the path is a template like those of the API.

    `is_open`: needs no session. `is_urgent`: signed-in accounts are never refused because of their
    rate of requests.
    """

    method: str
    path: str
    handler: Handler
    is_open: bool = False
    is_urgent: bool = False


PREFIX = "/console"


@dataclass(frozen=True, slots=True)
class Address:
    """The console's origin in `url`; empty: any loopback name of this machine."""

    url: str

    @property
    def is_secure(self) -> bool:
        """Whether browsers use TLS, so that cookies may require it."""
        return self.url.startswith("https://")

    def origin(self, host: str) -> str:
        """Return the origin of a request with the header `Host: host`.

        Without a configured origin, raise ProblemError (421) for names that are not loopback,
        against DNS rebinding.
        """
        if self.url:
            return self.url
        try:
            name = urlsplit(f"http://{host}").hostname or ""
        except ValueError:
            name = ""
        if not is_loopback(name):
            raise ProblemError(
                421, "misdirected", "Open the console as 127.0.0.1, or set console_url."
            )
        return f"http://{host}"


def find_address(settings: Settings) -> Address:
    """Return the console's address; raises FormatError if console_url is missing or invalid."""
    url = settings.console_url.rstrip("/")
    if not url:
        if settings.api_cert or settings.api_behind_proxy or not is_loopback(settings.api_host):
            raise FormatError(
                "the console needs its address: set console_url, such as https://control.example."
            )
        return Address("")
    parts = urlsplit(url)
    is_plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if (parts.scheme != "https" and not is_plain) or url != f"{parts.scheme}://{parts.netloc}":
        raise FormatError(
            "console_url is https://HOST or https://HOST:PORT, without a path; http is only for"
            " loopback addresses."
        )
    if "@" in parts.netloc or parts.netloc != parts.netloc.lower() or not parts.hostname:
        raise FormatError("console_url is https://HOST in lower case, without a user.")
    return Address(url)
