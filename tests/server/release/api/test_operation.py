"""Declarations of operations: restrictive by default, and checked when declared."""

import msgspec
import pytest

from server.release.api.catalogue import OPERATIONS, Routes
from server.release.api.operation import Operation, Reply
from server.release.api.problems import ProblemError
from server.release.auth.principal import Permission


class Loose(msgspec.Struct):
    """A struct that accepts unknown fields."""

    name: str


async def act(_call):  # noqa: RUF029 - handlers are awaited
    """Do nothing."""
    return Reply()


def declare(method="GET", path="/api/v1/things", **more):
    """Declare an operation."""
    permission = more.pop("permission", None)
    return Operation(
        method=method, path=path, permission=permission, summary="Act", handler=act, **more
    )


def test_contradictory_declarations():
    """A contradictory declaration raises an error when the module is imported."""
    for wrong in (
        {"method": "GETS"},
        {"path": "/things"},
        {"path": "/api/v2/things"},
        {"request": Loose},
        {"query": Loose},
        {"public": True, "permission": Permission.READ},
    ):
        with pytest.raises(TypeError):
            declare(**wrong)
    with pytest.raises(TypeError):
        Routes((declare(), declare()))


def test_public_secret_and_unrestricted_operations():
    """Only these operations are public, return a secret, or need no permission."""
    public = {"get_health", "get_openapi", "tell_upload_protocol"}
    assert {operation.id for operation in OPERATIONS if operation.public} == public
    secret = {operation.id for operation in OPERATIONS if operation.secret}
    assert secret == {"create_token", "create_webhook", "rotate_secret"}
    assert {o.path for o in OPERATIONS if o.permission is None and not o.public} == {
        "/api/v1/me",
        "/api/v1/me/tokens",
        "/api/v1/tokens/{token}/revoke",
        "/api/v1/changes/{change}/cancel",
    }


def test_literal_path_takes_precedence():
    """A literal path takes precedence over a parameter, in any order of declaration."""
    operations = (
        declare(path="/api/v1/things/{thing}"),
        declare(path="/api/v1/things/all"),
        declare(path="/api/v1/{kind}/all"),
    )
    for order in (operations, operations[::-1]):
        routes = Routes(order)
        assert routes.find("GET", "/api/v1/things/all").operation.path == "/api/v1/things/all"
        assert routes.find("GET", "/api/v1/things/one").path == {"thing": "one"}
        assert routes.find("GET", "/api/v1/other/all").path == {"kind": "other"}


def test_segment_is_decoded_once():
    """A path segment is percent-decoded once; an invalid value matches nothing."""
    routes = Routes((declare(path="/api/v1/things/{thing}"), declare(path="/api/v1/c/{codename}")))
    assert routes.find("GET", "/api/v1/things/%61b").path == {"thing": "ab"}
    for path in ("things/%2561", "things/a%20b", "things/a%0Ab", "things/a%0A", "c/Armani", "c/-a"):
        with pytest.raises(ProblemError) as found:
            routes.find("GET", f"/api/v1/{path}")
        assert found.value.status == 404
