"""Schemathesis, which knows only the served schema, finds no undeclared answer.

It runs in a separate process against a real listener. It calls what the schema declares, so new
operations are tested without further code.
"""

# ruff: noqa: RUF029 - handlers are awaited, whether they wait themselves or not
import itertools
from pathlib import Path

from server.release.api.catalogue import with_schema
from server.release.api.operation import Reply
from server.release.api.pagination import PageQuery
from tests.server.release.api.toys import operation
from tests.server.release.api_world import api_world
from tests.server.stranger import try_out

FOLDER = Path(__file__).parent


async def try_api(stranger, port, folder, *options):
    """Run Schemathesis in `folder` against a port; return exit status and output."""
    return await try_out(
        stranger,
        f"http://127.0.0.1:{port}/api/v1/openapi.json",
        FOLDER / "schemathesis.toml",
        folder,
        *options,
        SCHEMATHESIS_HOOKS=str(FOLDER / "schemathesis_hooks.py"),
    )


def counting():
    """Return a deterministic source of bytes."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


ADMIN = ("-H", "Authorization: Bearer admin")


async def test_all_operations(stranger, world, tmp_path):
    """Schemathesis finds no fault in any operation, with all rights and without rights."""
    phases = ("--phases", "coverage,fuzzing,stateful")
    async with api_world(world, entropy=counting()) as api:
        status, output = await try_api(stranger, api.port, tmp_path, *ADMIN, *phases)
    assert status == 0, output


async def broken(call):
    """Raise an error for large numbers."""
    return Reply({"number": 1 // (call.query.limit - 200)})


async def untrue(_call):
    """Return an undeclared answer."""
    return Reply(["a list"])


async def test_planted_faults_are_found(stranger, fresh, tmp_path):
    """Schemathesis finds a planted error and a planted undeclared answer."""
    faulty = (
        operation("GET", "/broken", broken, query=PageQuery, response=dict[str, int]),
        operation("GET", "/untrue", untrue, response=dict[str, int]),
    )
    async with api_world(fresh, with_schema(faulty), entropy=counting()) as api:
        status, output = await try_api(stranger, api.port, tmp_path, *ADMIN)
    assert status == 1
    assert "Server error" in output
    assert "Response violates schema" in output
