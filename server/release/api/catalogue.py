"""All operations of the API, and the routes to them. Each resource is a module, listed here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import msgspec

from server.release.api import (
    PREFIX,
    accounts,
    audit_log,
    changes,
    channels,
    content,
    models,
    status,
    submissions,
    uploads,
    webhooks,
)
from server.release.api.openapi import make_page
from server.release.api.operation import Call, Operation, Reply, path_regex
from server.release.api.problems import ProblemError

RESOURCES = (
    status,
    uploads,
    submissions,
    models,
    content,
    channels,
    changes,
    accounts,
    audit_log,
    webhooks,
)


def with_schema(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return `operations` and one more, which returns the OpenAPI description of all of them."""
    data = b""

    async def get_openapi(_call: Call) -> Reply:
        """Return this description."""
        nonlocal data
        data = data or await asyncio.to_thread(make)
        return Reply(data)

    described = (
        *operations,
        Operation(
            method="GET",
            path=f"{PREFIX}/openapi.json",
            permission=None,
            public=True,
            summary="The OpenAPI description of this API",
            handler=get_openapi,
            response=dict[str, Any],
        ),
    )

    def make() -> bytes:
        return msgspec.json.encode(make_page(described, version("hening")))

    return described


OPERATIONS = with_schema(
    tuple(operation for resource in RESOURCES for operation in resource.OPERATIONS)
)
"""All operations, in the order of the OpenAPI description."""


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, the values of its path, and the query as sent."""

    operation: Operation
    path: Mapping[str, str]
    query: str


class Routes:
    """All operations by path. GET also answers HEAD, and OPTIONS lists a path's methods."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            methods = by_path.setdefault(operation.path, {})
            if operation.method in methods:
                raise TypeError(f"{operation.method} {operation.path} is declared twice")
            methods[operation.method] = operation
        # A literal segment takes precedence over a parameter, in any order of declaration.
        self._paths = [
            (path_regex(path), by_path[path])
            for path in sorted(by_path, key=lambda path: (path.count("{"), path))
        ]

    def find(self, method: str, target: str) -> Route:
        """Return the route of a method and a request target; raises ProblemError 404 or 405."""
        path, _, query = target.partition("?")
        try:
            decoded = "/".join(_decode(segment) for segment in path.split("/"))
        except ValueError as error:
            raise _nothing() from error
        for regex, methods in self._paths:
            found = regex.fullmatch(decoded)
            if found is None:
                continue
            operation = methods.get(method)
            if operation is None and method == "HEAD":
                operation = methods.get("GET")
            if operation is None and method == "OPTIONS":
                return Route(_options(methods), MappingProxyType({}), query)
            if operation is None:
                raise ProblemError(
                    405,
                    "method-not-allowed",
                    f"This path allows {_allow(methods)}: use one of them.",
                    {"Allow": _allow(methods)},
                )
            return Route(operation, MappingProxyType(found.groupdict()), query)
        raise _nothing()


def _decode(segment: str) -> str:
    value = unquote(segment, errors="strict")
    if "/" in value:
        raise ValueError("a segment contains an encoded slash")
    return value


def _allow(methods: Mapping[str, Any]) -> str:
    allowed = {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return ", ".join(sorted(allowed))


def _options(methods: Mapping[str, Operation]) -> Operation:
    async def options(_call: Call) -> Reply:
        return Reply(status=204, headers={"Allow": _allow(methods)})

    some = next(iter(methods.values()))
    return Operation(
        method="OPTIONS",
        path=some.path,
        permission=None,
        public=True,
        summary="List the allowed methods",
        handler=options,
        status=204,
        reply_headers=some.reply_headers,
    )


def _nothing() -> ProblemError:
    return ProblemError(404, "not-found", "There is nothing here: see /api/v1/openapi.json.")
