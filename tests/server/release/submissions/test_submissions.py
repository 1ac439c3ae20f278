"""The audit log has each submission's result, once for each time that it was sent."""

import asyncio
import json
from datetime import timedelta

import pytest

from server.core.bundle import Result
from server.publisher import incoming
from server.publisher.publisher import Publisher
from server.release.auth.principal import token_checksum
from server.release.submissions.submissions import record_end
from server.storage.database import open_database
from tests.server.ceremony import release
from tests.server.release.auth.issue import audit_log
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND

SHA256 = "ab" * 32


def recorded(world):
    """Return actor, action, subject and detail of each entry of the audit log."""

    async def read():
        async with open_database(world.folder.database) as sessions:
            return await audit_log(sessions)

    return [(e.actor, e.action, e.subject, json.loads(e.detail)) for e in asyncio.run(read())]


def test_a_bundle_that_is_refused_twice(world):
    """A bundle that is refused twice has two entries with the reason."""
    before = recorded(world)
    for _ in range(2):
        bundle = world.submit({("cancro", 3): world.ceremony.role("cancro", 3)})
        world.run(Publisher.process_incoming)
    reason = world.result(bundle).reason
    assert reason
    entry = ("server", "submission.refuse", bundle, {"reason": reason})
    assert recorded(world) == [*before, entry, entry]


@pytest.mark.parametrize("version", [2, 3])
def test_a_result_that_could_not_be_written(world, monkeypatch, version):
    """If the result could not be written, the bundle is processed again and recorded once."""
    before, write = recorded(world), incoming.write_result

    def fail(_results, _result):
        raise OSError(28, "No space left on device")

    bundle = world.submit({("cancro", version): world.ceremony.role("cancro", version)})
    monkeypatch.setattr(incoming, "write_result", fail)
    for _ in range(2):
        assert world.run(Publisher.process_incoming) == []
    monkeypatch.setattr(incoming, "write_result", write)
    assert [result.id for result in world.run(Publisher.process_incoming)] == [bundle]
    assert len(recorded(world)) == len(before) + 1


def test_late_result_has_the_recorded_snapshot(world, monkeypatch):
    """A result that is written late has the snapshot that the audit log recorded.

    Each published bundle has one entry by the server, with its snapshot.
    """
    before, write, now = recorded(world), incoming.write_result, world.now()
    monkeypatch.setattr(world, "now", lambda: now + world.ahead)
    fourth = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}
    early = world.submit({("armani", 4): world.ceremony.role("armani", 4, fourth)}, [PACKAGE_2])
    good = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    snapshot = world.published().snapshot.version

    def fail(_results, _result):
        raise OSError(28, "No space left on device")

    async def act(publisher):
        monkeypatch.setattr(incoming, "write_result", fail)
        assert await publisher.process_incoming() == []
        monkeypatch.setattr(incoming, "write_result", write)
        third = world.submit(world.second_release(), [PACKAGE_2])
        assert [each.id for each in await publisher.process_incoming()] == [third]
        world.ahead += timedelta(seconds=2)
        assert {each.id for each in await publisher.process_incoming()} == {early, good}
        return third

    third = world.run(act)
    time, reason = int(now.timestamp()), "armani 4 was submitted; 3 comes next."
    assert world.result(early) == Result(
        id=early, status="refused", reason=reason, snapshot=0, time=time
    )
    assert world.result(good) == Result(
        id=good, status="published", reason="", snapshot=snapshot + 1, time=time
    )
    assert world.published().roles["armani"].version == 3
    added = recorded(world)[len(before) :]
    assert sorted(added[:2]) == [
        ("server", "submission.publish", good, {"snapshot": snapshot + 1}),
        ("server", "submission.refuse", early, {"reason": reason}),
    ]
    assert added[2:] == [("server", "submission.publish", third, {"snapshot": snapshot + 2})]
    assert list(world.folder.incoming.iterdir()) == []


async def test_a_reason_that_quotes_a_token(place):
    """A reason that quotes a token is recorded without it, so that publishing is not blocked."""
    token = f"hening_{'0a' * 6}_{'0b' * 32}"
    token += token_checksum(token)
    reason = f"the role {token} is unknown."
    result = Result(id=SHA256, status="refused", reason=reason, snapshot=0, time=7)
    async with open_database(place) as sessions:
        async with sessions.begin() as session:
            await record_end(session, result)
        (entry,) = await audit_log(sessions)
    assert "0b0b" not in entry.detail
    assert "is unknown" in entry.detail
