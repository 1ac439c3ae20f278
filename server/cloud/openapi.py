"""The OpenAPI 3.1 document of the account door, generated from its routes and handlers' types.

Source: the OpenAPI specification 3.1; JSON Schema 2020-12.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, get_type_hints

import msgspec

from hening.version import find_version
from server.cloud.routing import PROBLEM, Call, Problem, Route, Sent, json_route
from server.core.encodings import to_ecma

REFERENCE = "#/components/schemas/{name}"
ALWAYS = (400, 404, 500, 503)
WITH_TOKEN = (401, 403, 409, 422, 429, 507)
_PARAMETER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")  # patterns have braces, too


def make_page(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of the JSON routes among `routes`, as JSON values."""
    json_routes = [route for route in routes if route.is_json]
    answers = {route: get_type_hints(route.handler)["return"] for route in json_routes}
    types = [Problem, *(each.body for each in json_routes if each.body), *answers.values()]
    known = list({repr(kind): kind for kind in types if kind not in {Sent, type(None)}}.values())
    schemas, components = msgspec.json.schema_components(known, ref_template=REFERENCE)
    by_type = {repr(kind): schema for kind, schema in zip(known, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in json_routes:
        path, parameters = split_path(route.path)
        paths.setdefault(path, {})[route.method.lower()] = _describe(
            route, parameters, by_type, answers[route]
        )
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "hening cloud, account door",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": to_ecma(components),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token ` and the token that a login gave.",
                }
            },
        },
    }


def split_path(path: str) -> tuple[str, dict[str, str]]:
    """Return a route's path without regular expressions, and the expression of each parameter."""
    parameters = {name: pattern or "[^{}/]+" for name, pattern in _PARAMETER.findall(path)}
    return _PARAMETER.sub(r"{\1}", path), parameters


def _describe(
    route: Route,
    parameters: dict[str, str],
    by_type: dict[str, Any],
    answer: Any,  # noqa: ANN401
) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if answer is Sent:
        response["content"] = {route.media: {}}
    elif answer is not type(None):
        response["content"] = {"application/json": {"schema": by_type[repr(answer)]}}
    refused = {"content": {PROBLEM: {"schema": by_type[repr(Problem)]}}}
    statuses = {*ALWAYS, *(() if route.is_public else WITH_TOKEN), *([413] if route.body else [])}
    page: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": " ".join((route.handler.__doc__ or "").split()),
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": f"^{pattern}$"},
            }
            for name, pattern in parameters.items()
        ],
        "responses": {
            str(route.status): response,
            **{
                str(status): {"description": HTTPStatus(status).phrase, **refused}
                for status in sorted(statuses)
            },
        },
    }
    if route.is_public:
        page["security"] = []
    if route.body is not None:
        schema = {"schema": by_type[repr(route.body)]}
        page["requestBody"] = {"required": True, "content": {"application/json": schema}}
    return page


def page_route(routes: Sequence[Route]) -> Route:
    """Return the route that serves the OpenAPI document of `routes` and of itself."""

    async def show_openapi(_: Call) -> Sent:  # noqa: RUF029 - a handler like the others
        """Return the OpenAPI document of this door."""
        return Sent("application/json", body)

    address = "/account/1/openapi.json"
    route = json_route("GET", address, show_openapi, is_public=True, media="application/json")
    body = msgspec.json.encode(make_page((*routes, route), find_version()))
    return route
