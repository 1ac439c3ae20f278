"""What a page of the console is: its path, who may open it, and what it shows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from server.console.desk import Desk
from server.release.api.operation import Services


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page, checked. `secret` is the browser's: of its session, or of its door.

    `desk` is there on every page but those that are open to all.
    """

    request: web.BaseRequest
    origin: str
    services: Services
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    secret: str = field(repr=False)
    desk: Desk | None = None

    @property
    def at(self) -> Desk:
        """The operations, as the one who is signed in."""
        if self.desk is None:
            raise TypeError("an open page asked who is signed in")
        return self.desk


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to look at: a template and its values, and headers of the answer."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """Another page, after something was done: the browser asks for it by itself."""

    location: str
    cookies: tuple[str, ...] = ()


Handler = Callable[[Visit], Awaitable[Shown | Moved]]


@dataclass(frozen=True, slots=True)
class Page:
    """One method on one path, a template as the API's.

    `is_open`: for who is not signed in, too. `is_urgent`: whoever is signed in is never refused for
    the rate of requests.
    """

    method: str
    path: str
    handler: Handler
    is_open: bool = False
    is_urgent: bool = False
