"""Submissions over HTTP: accepted, published or refused, and listed."""

import asyncio
import hashlib
import io
from dataclasses import replace

import pytest
from sqlalchemy import delete

from server.core.bundle import BlobFile, Bundle, RoleFile, encode_bundle
from server.release.auth.audit_log import record
from server.release.submissions.submissions import RECEIVE
from server.settings import Settings
from server.storage.models import Account
from tests.server.release.api.test_uploads import begin, patch
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import audit_log
from tests.server.world import PACKAGE_2, SECOND

SHA256_2 = hashlib.sha256(PACKAGE_2).hexdigest()
TYPE = {"Content-Type": "application/vnd.hening.submission"}


def body_of(files, packages=(PACKAGE_2,)):
    """Return a bundle's id and the bytes that submit it."""
    roles = [
        RoleFile(name, version, hashlib.sha256(data).hexdigest(), len(data))
        for (name, version), data in sorted(files.items())
    ]
    blobs = sorted(BlobFile(hashlib.sha256(each).hexdigest(), len(each)) for each in packages)
    bundle_id, data = encode_bundle(Bundle(roles=roles, blobs=blobs))
    return bundle_id, data + b"".join(content for _, content in sorted(files.items()))


def hand_in(api, bundle_id, body, token="engineer"):
    """Submit a bundle."""
    return api.call(
        "PUT", f"/submissions/{bundle_id}", token=token, data=io.BytesIO(body), headers=TYPE
    )


async def count_received(api):
    """Return how many submissions the audit log records as received."""
    entries = await audit_log(api.services.sessions)
    return [entry.action for entry in entries].count(RECEIVE)


async def test_release_is_submitted_and_published(api, world):
    """A release is uploaded, submitted and published; a repetition is the same submission."""
    bundle_id, body = body_of(world.second_release())
    refused = await hand_in(api, bundle_id, body)
    assert (refused.status, refused.problem) == (409, "conflict")
    assert SHA256_2 in refused.json["detail"]
    path = await begin(api, PACKAGE_2)
    assert (await patch(api, path, 0, PACKAGE_2)).status == 204
    answer = await hand_in(api, bundle_id, body)
    assert (answer.status, answer.json["status"]) == (202, "waiting")
    assert answer.headers["Location"] == f"/api/v1/submissions/{bundle_id}"
    again = await hand_in(api, bundle_id, body)
    assert (again.status, again.json) == (202, answer.json)
    shown = await api.call("GET", f"/submissions/{bundle_id}", token="viewer")
    assert shown.json == {
        "id": bundle_id,
        "status": "waiting",
        "reason": "",
        "snapshot": 0,
        "finished": 0,
    }
    asking = asyncio.create_task(api.call("GET", f"/submissions/{bundle_id}?wait=30"))
    await api.services.publisher.process_incoming()
    ended = (await asking).json
    assert (ended["status"], ended["reason"]) == ("published", "")
    assert SECOND in (await asyncio.to_thread(world.published)).roles["armani"].targets
    again = await hand_in(api, bundle_id, body)
    assert again.json == ended
    assert not list(world.folder.incoming.iterdir())
    assert await count_received(api) == 1


async def test_refused_submission_can_be_repeated(api, world):
    """A refused submission shows its reason and can be submitted again."""
    files = {("armani", 9): world.ceremony.role("armani", 9)}
    bundle_id, body = body_of(files, [])
    for _ in range(2):
        answer = await hand_in(api, bundle_id, body)
        assert answer.json["status"] == "waiting"
        await api.services.publisher.process_incoming()
        shown = await api.call("GET", f"/submissions/{bundle_id}")
        assert shown.json["status"] == "refused"
        assert shown.json["reason"] == "armani 9 was submitted; 3 comes next."
    assert await count_received(api) == 2


async def test_invalid_bodies(api, world):
    """A body with other files than its list names, or a malformed list, is refused."""
    files = world.second_release()
    bundle_id, body = body_of(files, [])
    (content,) = files.values()
    listing = body.removesuffix(content)
    bodies = [
        *(b"", listing, listing + content[:-1], listing + content + b" ", content + listing),
        *(listing + content[:-1] + b" ", b"x" * (1 << 20) + b"\n" + content),
    ]
    listings = [
        *(listing.rstrip(), b" " + listing, b"{}\n"),
        *(listing.replace(b"armani", role) for role in (b"latest", b"../armani")),
        listing.replace(b'"length":', b'"length":1000000'),
    ]
    for asked, sent in (
        *((bundle_id, each) for each in bodies),
        ("0" * 64, body),
        *((hashlib.sha256(each).hexdigest(), each) for each in listings),
    ):
        answer = await hand_in(api, asked, sent)
        assert (answer.status, answer.problem) == (400, "malformed"), sent[:300]
    answer = await api.call("PUT", f"/submissions/{bundle_id}", token="engineer", data=body)
    assert (answer.status, answer.problem) == (415, "media-type")
    assert not list(world.folder.incoming.iterdir())
    assert (await api.call("GET", f"/submissions/{bundle_id}")).status == 404
    for asked in ("0" * 63, "..%2f..%2fkeys", "A" * 64):
        assert (await api.call("GET", f"/submissions/{asked}")).status == 404
        assert (await hand_in(api, asked, body)).status == 404
    for wait in ("31", "-1", "x"):
        assert (await api.call("GET", f"/submissions/{bundle_id}?wait={wait}")).status == 422


async def test_limits_of_size_and_disk(world):
    """A submission over the limit, or without room on the disk, is refused."""
    bundle_id, body = body_of(world.second_release(), [])
    for more, status, problem in (
        ({"submission_limit": 1000}, 413, "too-large"),
        ({"submission_limit": 10}, 413, "too-large"),
        ({"keep_free": 1 << 62}, 507, "no-room"),
    ):
        async with api_world(world, settings=Settings(api_port=0, **more)) as api:
            answer = await hand_in(api, bundle_id, body)
            assert (answer.status, answer.problem) == (status, problem)
            assert next(iter(more)) in answer.json["detail"] or "1048586" in answer.json["detail"]
            async with api.services.sessions.begin() as session:
                await session.execute(delete(Account))
    assert not list(world.folder.incoming.iterdir())


async def test_right_to_submit_each_role(api, world):
    """A submission is accepted only if its sender may submit all of its signed roles."""
    engineer = api.principals["engineer"]
    api.principals["engineer"] = replace(engineer, codenames=("armani",))
    for token, names, status in (
        ("admin", ["armani", "root", "targets"], 202),
        ("editor", ["content", "tables"], 202),
        ("editor", ["armani", "content"], 403),
        ("approver", ["content"], 403),
        ("engineer", ["armani"], 202),
        ("engineer", ["cancro"], 403),
        ("engineer", ["armani", "cancro"], 403),
        ("engineer", ["armani", "root"], 403),
    ):
        files = {(name, 7): b"{}" for name in names}
        answer = await hand_in(api, *body_of(files, []), token)
        assert answer.status == status, (token, names)
    assert len(list(world.folder.incoming.iterdir())) == 3


async def test_list(api, world):
    """Waiting submissions come first, then the newest; pages have each one once."""
    for version in range(20, 25):
        world.submit({("armani", version): world.ceremony.role("armani", version)})
    await api.services.publisher.process_incoming()
    waiting = {world.submit({("armani", n): world.ceremony.role("armani", n)}) for n in (30, 31)}
    path, found = "/submissions?limit=3", []
    while path:
        page = (await api.call("GET", path)).json
        found += page["items"]
        assert len(page["items"]) <= 3
        path = page["next"] and page["next"].removeprefix("/api/v1")
    ids = [item["id"] for item in found]
    assert len(set(ids)) == len(ids) == 9
    assert set(ids[:2]) == waiting
    ends = [item["finished"] for item in found[2:]]
    assert ends == sorted(ends, reverse=True)


async def test_list_of_an_account_with_few_codenames(api, world):
    """An account with few codenames sees the submissions of all its tokens, and no others."""
    done = [world.submit({("armani", n): world.ceremony.role("armani", n)}) for n in (20, 21)]
    await api.services.publisher.process_incoming()
    waiting = [world.submit({("armani", n): world.ceremony.role("armani", n)}) for n in (30, 31)]
    async with api.services.sessions.begin() as session:
        for actor, subject in (
            ("narrow/0123456789ab", done[0]),
            ("narrow", waiting[0]),
            ("narrower/0123456789ab", done[1]),
        ):
            await record(
                session, at=1, actor=actor, action=RECEIVE, subject=subject, detail={"count": 1}
            )
    engineer = api.principals["engineer"]
    api.principals["narrow"] = replace(engineer, name="narrow", codenames=("armani",))
    page = (await api.call("GET", "/submissions", token="narrow")).json
    assert [item["id"] for item in page["items"]] == [waiting[0], done[0]]
    assert len((await api.call("GET", "/submissions", token="engineer")).json["items"]) > 4


def fail(*_args, **_more):
    """Raise the error of a full disk."""
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("step", "left"),
    [("publisher.inbox.LocalInbox.hand_in", 1), ("release.submissions.submissions.record", 0)],
)
async def test_disk_error_during_a_submission(api, world, monkeypatch, step, left):
    """A submission interrupted by a disk error is completed or removed at the next start."""
    bundle_id, body = body_of(world.second_release(), [])
    monkeypatch.setattr(f"server.{step}", fail)
    answer = await hand_in(api, bundle_id, body)
    assert (answer.status, answer.problem) == (503, "unavailable")
    monkeypatch.undo()
    assert len(list(world.folder.incoming.iterdir())) == 1
    assert await api.services.publisher.process_incoming() == []
    await api.services.submissions.tidy()
    assert [path.name for path in world.folder.incoming.iterdir()] == [bundle_id] * left
    assert (await hand_in(api, bundle_id, body)).status == 202
    assert [path.name for path in world.folder.incoming.iterdir()] == [bundle_id]
    assert await count_received(api) == 1


@pytest.mark.parametrize("is_there", [False, True])
async def test_simultaneous_submissions_of_one_bundle(api, world, monkeypatch, is_there):
    """A bundle submitted several times at once is one submission with one entry.

    The same holds for one that was received but not handed in.
    """
    bundle_id, body = body_of(world.second_release(), [])
    if is_there:
        with monkeypatch.context() as patch:
            patch.setattr("server.publisher.inbox.LocalInbox.hand_in", fail)
            assert (await hand_in(api, bundle_id, body)).status == 503
    answers = await asyncio.gather(*(hand_in(api, bundle_id, body) for _ in range(4)))
    assert [(answer.status, answer.json["status"]) for answer in answers] == [(202, "waiting")] * 4
    assert [path.name for path in world.folder.incoming.iterdir()] == [bundle_id]
    assert await count_received(api) == 1
