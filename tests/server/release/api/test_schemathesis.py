"""A client that knows only the served schema finds no failure and no undeclared answer.

Schemathesis runs in a separate process against the real listener. It calls what the page names, so
a new resource is tested from its first day on.
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
    """Run Schemathesis in `folder` on the API at a port; return its exit status and its output."""
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
    """Every operation of the served page, with all rights, and without where rights are needed."""
    phases = ("--phases", "coverage,fuzzing,stateful")
    async with api_world(world, entropy=counting()) as api:
        status, output = await try_api(stranger, api.port, tmp_path, *ADMIN, *phases)
    assert status == 0, output


async def broken(call):
    """Fail for big numbers."""
    return Reply({"number": 1 // (call.query.limit - 200)})


async def untrue(_call):
    """Send an undeclared answer."""
    return Reply(["a list"])


async def test_the_stranger_finds_faults(stranger, fresh, tmp_path):
    """A failure and an answer of another type are found: the runs above could fail."""
    faulty = (
        operation("GET", "/broken", broken, query=PageQuery, response=dict[str, int]),
        operation("GET", "/untrue", untrue, response=dict[str, int]),
    )
    async with api_world(fresh, with_schema(faulty), entropy=counting()) as api:
        status, output = await try_api(stranger, api.port, tmp_path, *ADMIN)
    assert status == 1
    assert "Server error" in output
    assert "Response violates schema" in output
