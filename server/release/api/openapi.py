"""The OpenAPI 3.1 description, made from the operations; msgspec makes the schemas of types.

Source: the OpenAPI specification 3.1; JSON Schema 2020-12.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from server.core.encodings import to_ecma
from server.release.api.operation import Header, Operation, path_pattern
from server.release.api.problems import MEDIA_TYPE, Problem, phrase

REFERENCE = "#/components/schemas/{name}"
ALWAYS = (400, 422, 500, 503)
"""The refusals of any operation: malformed, invalid or refused; failure; disk or database error."""
IF_MATCH = Header(
    "If-Match", "The ETag of the state that you saw, or *.", r'^(\*|".+")$', required=True
)
IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    "Requests with the same key are executed at most once in 24 hours.",
    r"^[\x21-\x7e]{1,80}$",
)


def make_page(operations: tuple[Operation, ...], version: str) -> dict[str, Any]:
    """Return the OpenAPI description of `operations` as JSON values."""
    types: list[Any] = [Problem]
    for operation in operations:
        types += [t for t in (operation.request, operation.response, operation.query) if t]
    schemas, found = msgspec.json.schema_components(types, ref_template=REFERENCE)
    components = to_ecma(found)
    by_type = list(zip(types, schemas, strict=True))
    parameters = {
        operation.id: _query_parameters(_find(by_type, operation.query), components)
        for operation in operations
        if operation.query is not None
    }
    for operation in operations:
        if operation.query is not None:
            components.pop(_name(_find(by_type, operation.query)), None)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, by_type, parameters.get(operation.id, [])
        )
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "hening control plane",
            "version": version,
            "summary": "Publish, roll out, halt and withdraw builds, with an audit log.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token. It is shown only when it is created.",
                }
            },
        },
    }


def statuses(operation: Operation) -> tuple[int, ...]:
    """Return the error statuses that `operation` may answer, ascending."""
    found = {*operation.errors, *ALWAYS}
    if not operation.public:
        found |= {401, 429}
    if operation.permission is not None:
        found.add(403)
    if operation.parameters:
        found.add(404)
    if operation.request is not None:
        found |= {408, 413, 415}
    if operation.takes_key:
        found.add(409)
    if operation.if_match:
        found |= {412, 428}
    if operation.method not in {"GET", "HEAD"}:
        found.add(417)
    return tuple(sorted(found))


def _operation(
    operation: Operation, types: list[tuple[Any, Any]], query: list[dict[str, Any]]
) -> dict[str, Any]:
    headers = list(operation.headers)
    headers += [IF_MATCH] if operation.if_match else []
    headers += [IDEMPOTENCY_KEY] if operation.takes_key else []
    page: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [*map(_path_parameter, operation.parameters), *query, *map(_header, headers)],
        "responses": _responses(operation, types),
    }
    if operation.handler.__doc__:
        page["description"] = " ".join(operation.handler.__doc__.split())
    if operation.permission is not None:
        page["x-permission"] = str(operation.permission)
    if operation.public:
        page["security"] = []
    if operation.request is not None:
        schema = _find(types, operation.request)
        page["requestBody"] = {
            "required": True,
            "content": {operation.content_type: {"schema": schema}},
        }
    elif operation.raw and operation.method in {"POST", "PUT", "PATCH"}:
        page["requestBody"] = {"required": False, "content": {operation.content_type: {}}}
    return page


def _responses(operation: Operation, types: list[tuple[Any, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.response is not None:
        schema = _find(types, operation.response)
        response["content"] = {operation.response_type: {"schema": schema}}
    elif operation.raw and operation.response_type != "application/json":
        response["content"] = {operation.response_type: {}}
    refused = _find(types, Problem)
    return {str(operation.status): response} | {
        str(status): {
            "description": phrase(status),
            # The answer to HEAD has a Content-Type, but no body.
            "content": {MEDIA_TYPE: {"schema": refused} if operation.method != "HEAD" else {}},
        }
        for status in statuses(operation)
    }


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{path_pattern(name)}$"},
    }


def _header(header: Header) -> dict[str, Any]:
    schema = {"type": "string"} | ({"pattern": header.pattern} if header.pattern else {})
    return {
        "name": header.name,
        "in": "header",
        "description": header.description,
        "required": header.required,
        "schema": schema,
    }


def _query_parameters(reference: Any, components: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    struct = components[_name(reference)]
    required = struct.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in struct["properties"].items()
    ]


def _find(types: Iterable[tuple[Any, Any]], kind: Any) -> Any:  # noqa: ANN401 - JSON
    return next(schema for known, schema in types if known == kind)


def _name(reference: Any) -> str:  # noqa: ANN401 - JSON
    return str(reference["$ref"]).rpartition("/")[2]
