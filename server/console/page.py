"""The declaration of a console page: its path, its access rules, and its content."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from server.console.operations_client import OperationsClient
from server.core.errors import FormatError
from server.release.api.operation import Services
from server.release.api.problems import ProblemError
from server.release.api.serving import is_loopback
from server.settings import Settings


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
