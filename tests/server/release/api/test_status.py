"""Health and status."""

import asyncio

from server.publisher.expiry.alarms import Notice
from server.release.api.status import Status
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2


async def test_status_before_the_first_publication(fresh):
    """Before the first bundle there are no roles and the snapshot is 0; health is public."""
    async with api_world(fresh) as api:
        status = (await api.call("GET", "/status")).json
        answer = await api.call("GET", "/health", token=None)
    assert (status["snapshot"], status["roles"]) == (0, [])
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_status(world):
    """The status has versions and expiries of roles, the queue, and alarms."""
    notices = [Notice("disk", "warning", "It fills.")]
    async with api_world(world, alarms=lambda: notices) as api:
        answer = await api.call("GET", "/status", token="viewer")
    assert answer.status == 200
    assert answer.json["alarms"] == [
        {"subject": "disk", "severity": "warning", "sentence": "It fills."}
    ]
    assert answer.json["snapshot"] == 3
    published = await asyncio.to_thread(world.published)
    roles = {role["name"]: role for role in answer.json["roles"]}
    assert roles["armani"]["version"] == 2
    assert roles["timestamp"]["expires"] == int(published.timestamp.expires.timestamp())
    for name in ("root", "tables", "latest"):
        keys = world.ceremony.keys.get(name) or [world.keys.signers[name]]
        ids = {signer.public_key.keyid for signer in keys}
        assert (set(roles[name]["keys"]), roles[name]["threshold"]) == (ids, min(len(ids), 2))
    assert answer.json["queue"] == 0
    assert set(answer.json) == set(Status.__struct_fields__)


async def test_queue_and_publication(api, world):
    """The status counts a waiting bundle and shows its publication."""
    before = (await api.call("GET", "/status")).json
    await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
    waiting = (await api.call("GET", "/status")).json
    assert (waiting["queue"], waiting["roles"]) == (1, before["roles"])
    await api.services.publisher.process_incoming()
    after = (await api.call("GET", "/status")).json
    assert (after["queue"], after["snapshot"]) == (0, before["snapshot"] + 1)
    assert {"armani": 3}.items() <= {r["name"]: r["version"] for r in after["roles"]}.items()
