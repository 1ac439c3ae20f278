"""The served schema: OpenAPI 3.1, generated from the declared operations."""

import re

import pytest

from server.release.api.catalogue import OPERATIONS
from server.release.api.openapi import statuses


@pytest.fixture
def published():
    """Return the OpenAPI Initiative's meta-schema for 3.1."""
    # Imported here, because the import takes 0.3 s in each process that collects tests.
    from schemathesis.specs.openapi import definitions  # noqa: PLC0415

    return definitions.OPENAPI_31_VALIDATOR


async def test_schema_has_every_operation(api, published):
    """The schema matches the meta-schema and has each operation once.

    Each has its right, statuses and path parameters.
    """
    page = (await api.call("GET", "/openapi.json", token=None)).json
    assert [str(error) for error in published.iter_errors(page)] == []
    shown = {
        (method.upper(), path): operation
        for path, methods in page["paths"].items()
        for method, operation in methods.items()
    }
    assert set(shown) == {(operation.method, operation.path) for operation in OPERATIONS}
    for operation in OPERATIONS:
        found = shown[operation.method, operation.path]
        assert found["operationId"] == operation.id
        assert found.get("x-permission") == operation.permission
        assert set(found["responses"]) == {str(s) for s in (operation.status, *statuses(operation))}
        names = [p["name"] for p in found["parameters"] if p["in"] == "path"]
        assert names == re.findall(r"\{(\w+)\}", operation.path)


def test_every_operation_is_described():
    """Each operation has an id, a summary and a docstring."""
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        assert operation.summary, operation.id
        assert operation.handler.__doc__, operation.id
