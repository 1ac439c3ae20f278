"""Health, status and schema."""

import asyncio

from server.release.api.status import Status


async def test_health_needs_no_token(api):
    """Whoever watches processes has no account."""
    answer = await api.call("GET", "/health", token=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_status(api, world):
    """The published versions, when they expire, and what waits."""
    answer = await api.call("GET", "/status", token="viewer")
    assert answer.status == 200
    assert answer.json["snapshot"] == 3
    published = await asyncio.to_thread(world.published)
    roles = {role["name"]: role for role in answer.json["roles"]}
    assert roles["armani"]["version"] == 2
    assert roles["timestamp"]["expires"] == int(published.timestamp.expires.timestamp())
    assert answer.json["queue"] == 0
    assert set(answer.json) == set(Status.__struct_fields__)
