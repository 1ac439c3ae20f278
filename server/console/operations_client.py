"""The API's operations for pages: the same checks and the same functions, without a socket.

So the console has no separate implementation of any operation.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import web

from server.release.api.catalogue import OPERATIONS
from server.release.api.operation import Call, Reply, Services
from server.release.api.pagination import PageQuery
from server.release.api.problems import ProblemError
from server.release.api.rates import Rates
from server.release.auth.principal import Principal
from server.release.rollouts.commands import ANY, read_if_match

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
