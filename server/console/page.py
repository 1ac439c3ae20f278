"""The declaration of a console page, its content, and the operations of the API that it calls.

These make the same checks and call the same functions, without a socket, so the console has no
separate implementation of any operation.
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
"""The query of a page that needs all items: the API's limit is for its answers."""
_BY_ID = MappingProxyType({operation.id: operation for operation in OPERATIONS})


class OperationsClient:
    """Operations as the signed-in `principal`."""

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
        """Return the body of an operation's reply; raises what the operation raises.

        `etag` is the state that the page showed; operations with If-Match receive it.
        """
        wanted = _BY_ID[operation]
        if wanted.permission is not None:
            self.principal.check(wanted.permission)
        if wanted.is_change:
            self._rates.count_change(self.principal.name)
        headers: dict[str, str] = {}
        if wanted.if_match:
            tags = read_if_match(etag)
            if len(tags) != 1 or tags == [ANY]:
                raise ProblemError(428, "match-required", "This page is old: open it again.")
            headers["If-Match"] = etag
        asked = query if isinstance(query, msgspec.Struct) else _convert(query, wanted.query)
        decoded = _convert(body, wanted.request)
        call = Call(self.principal, path, asked, decoded, headers, self._request, self.services)
        reply = await wanted.perform(call, wanted.handler)
        if not isinstance(reply, Reply):
            raise TypeError(f"{operation} streams, and no page can show that")
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
    """One request to a page, checked. `secret` is of the browser's session or login.

    `operations` is set on every page that needs a session.
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
        """The API's operations, as the signed-in account."""
        if self.operations is None:
            raise TypeError("an open page asked who is signed in")
        return self.operations


@dataclass(frozen=True, slots=True)
class PageContent:
    """The content of a page: a template, its values, and headers of the answer."""

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
    """A JSON file that the browser saves, while it goes on to show the page that asked for it."""

    name: str
    data: bytes


Handler = Callable[[Visit], Awaitable[PageContent | Redirect | Download]]


@dataclass(frozen=True, slots=True)
class Page:
    """One method on one path, a template as the API's.

    `is_open`: needs no session. `is_urgent`: signed-in accounts are never refused for the rate of
    requests.
    """

    method: str
    path: str
    handler: Handler
    is_open: bool = False
    is_urgent: bool = False


PREFIX = "/console"


@dataclass(frozen=True, slots=True)
class Address:
    """The origin that an operator set, or empty for any name of this machine's loopback."""

    url: str

    @property
    def is_secure(self) -> bool:
        """Whether browsers use TLS, so that cookies may require it."""
        return self.url.startswith("https://")

    def origin(self, host: str) -> str:
        """Return the origin of a request with the header `Host: host`.

        Without a set origin, a name that could resolve to another host is refused (421), against
        DNS rebinding.
        """
        if self.url:
            return self.url
        try:
            name = urlsplit(f"http://{host}").hostname or ""
        except ValueError:
            name = ""
        if not is_loopback(name):
            raise ProblemError(
                421, "misdirected", "The console is here as 127.0.0.1 alone: see console_url."
            )
        return f"http://{host}"


def find_address(settings: Settings) -> Address:
    """Return the address of the console for browsers; raises FormatError if it is not set."""
    url = settings.console_url.rstrip("/")
    if not url:
        if settings.api_cert or settings.api_behind_proxy or not is_loopback(settings.api_host):
            raise FormatError(
                "the console must know its address: set console_url, such as"
                " https://control.example."
            )
        return Address("")
    parts = urlsplit(url)
    is_plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if (parts.scheme != "https" and not is_plain) or url != f"{parts.scheme}://{parts.netloc}":
        raise FormatError(
            "console_url is https://HOST, with a port if need be and without a path; http is for"
            " loopback alone."
        )
    if "@" in parts.netloc or parts.netloc != parts.netloc.lower() or not parts.hostname:
        raise FormatError("console_url is https://HOST in lower case, without a user.")
    return Address(url)
