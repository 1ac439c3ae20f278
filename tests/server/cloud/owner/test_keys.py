"""Recovery words and new account keys: signed, complete, and the same for unknown names."""

import asyncio
import base64

import msgspec
import pytest
from nacl.signing import SigningKey

from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import Device, make_item, uid

OPEN, USE = "recovery/open", "recovery/use"
NEW_KEYS = {"login_key": bytes(SigningKey(bytes(32)).verify_key), "wrap": b"wrapped anew"}


async def test_recovery_with_words(cloud):
    """Recovery words return the keys, set a new password, and log all sessions out.

    The new session needs no approval, because all devices may be lost.
    """
    lost, words = await cloud.device(), SigningKey.generate()
    await lost.set_recovery(words)
    await lost.ask("PUT", "device", {"key": bytes(32)})
    assert (await lost.ask("PUT", "choices", {"approves_devices": True}))[0] == 204
    token = await lost.make_token()
    found = Device(cloud.http, cloud.url, "ani", SigningKey(bytes(32)))
    status, opened = await found.ask("POST", OPEN, await found.sign("openRecovery", words))
    assert (status, opened["wrap"]) == (200, "YnkgdGhlIHdvcmRz")
    signed = await found.sign("useRecovery", words, **NEW_KEYS)
    status, recovered = await found.ask("POST", USE, signed)
    assert status == 200
    found.token = recovered["token"]
    assert len((await found.ask("GET", "sessions"))[1]) == 1
    assert (await lost.call("GET", "collection/"))[0] == 401
    assert (await lost.log_in())[0] == 401
    assert (await found.ask("GET", "app-tokens"))[1] == [], token
    assert (await found.call("GET", "collection/"))[0] == 200
    status, answer = await found.log_in()
    assert (status, answer["user"]["encryptedContent"]) == (200, b"wrapped anew")


async def test_wrong_recoveries_get_the_same_answer(cloud):
    """Every wrong recovery gets the same answer: unknown name, no words, other words or action.

    An old challenge does, too.
    """
    owner, words = await cloud.device(), SigningKey.generate()
    await owner.set_recovery(words)
    await cloud.device("budi")

    async def tried(name, key, action="useRecovery", **more):
        device = Device(cloud.http, cloud.url, name)
        signed = await device.sign(action, key, **NEW_KEYS, **more)
        cloud.clock.seconds += wait
        return await device.ask("POST", USE, signed)

    wait = 0
    answers = [
        await tried("nobody", words),
        await tried("budi", words),
        await tried("ani", SigningKey.generate()),
        await tried("ani", owner.key),
        await tried("ani", words, "openRecovery"),
        await tried("ani", words, "login"),
        await tried("ani", words, username="budi"),
        await tried("ani", words, host="other.example"),
    ]
    wait = 301
    answers.append(await tried("ani", words))
    assert [status for status, _ in answers] == [401] * 9
    assert all(answer == answers[0] for answer in answers)
    assert (await owner.log_in())[0] == 200


async def test_new_words_need_a_signature(cloud):
    """New words must be signed by the password's key of the token's own account.

    A new account key requires new words, because the former ones would open obsolete keys.
    """
    device, other = await cloud.device(), await cloud.device("budi")
    kept = {"key": bytes(32), "wrap": b"x", "words": b"y"}
    for signed in (
        await device.sign("setRecovery", SigningKey.generate(), recovery=kept),
        await device.sign("login", recovery=kept),
        await other.sign("setRecovery", recovery=kept),
    ):
        assert (await device.ask("PUT", "recovery", signed))[0] == 401
    assert (await device.ask("GET", "recovery"))[0] == 404
    words = SigningKey.generate()
    await device.set_recovery(words)
    status, shown = await device.ask("GET", "recovery")
    assert (status, shown["words"]) == (200, "dGhlIHdvcmRz")
    rotation = await device.sign("rotate", **rewrapped())
    status, problem = await device.ask("POST", "rotate", rotation)
    assert (status, problem["type"]) == (409, "urn:hening:problem:no-recovery")
    kept = {"key": bytes(words.verify_key), "wrap": b"the new ones", "words": b"again"}
    rotation = await device.sign("rotate", **rewrapped(recovery=kept))
    assert (await device.ask("POST", "rotate", rotation))[0] == 204
    _, opened = await device.ask("POST", OPEN, await device.sign("openRecovery", words))
    assert opened["wrap"] == "dGhlIG5ldyBvbmVz"


def rewrapped(*collections, **more):
    """Return the body that a device sends for a new account key."""
    wraps = [{"uid": each, "key": b"new " + each.encode(), "type": b"new"} for each in collections]
    return {"wrap": b"new keys", "public_key": b"P" * 32, "collections": wraps, **more}


async def test_rotation_replaces_all_keys(cloud):
    """All collections get new keys in one transaction; other devices log in again for them."""
    device = await cloud.device()
    second = Device(cloud.http, cloud.url, "ani", device.key)
    await second.log_in()
    own = [(await device.create())["uid"] for _ in range(3)]
    item = make_item(b"stays")
    await device.batch(own[0], item)
    _, before = await device.call("GET", "collection/")
    signed = await device.sign("rotate", **rewrapped(*own))
    assert await device.ask("POST", "rotate", signed) == (204, None)
    _, changed = await device.call("GET", f"collection/?stoken={before['stoken']}")
    assert {each["item"]["uid"]: each["collectionKey"] for each in changed["data"]} == {
        each: b"new " + each.encode() for each in own
    }
    assert all(each["collectionType"] == b"new" for each in changed["data"])
    assert (await second.call("GET", "collection/"))[0] == 401
    _, answer = await second.log_in()
    assert answer["user"]["encryptedContent"] == b"new keys"
    assert answer["user"]["pubkey"] == b"P" * 32
    _, items = await second.call("GET", f"collection/{own[0]}/item/")
    assert items["data"][0]["uid"] == item["uid"]


async def test_rotation_with_other_collections_is_refused(cloud):
    """A rotation with missing, additional or repeated collections is refused without any change."""
    device, other = await cloud.device(), await cloud.device("budi")
    own = [(await device.create())["uid"] for _ in range(2)]
    foreign = (await other.create())["uid"]
    for collections in (own[:1], [*own, uid()], [*own, foreign], [*own, own[0]]):
        signed = await device.sign("rotate", **rewrapped(*collections))
        status, problem = await device.ask("POST", "rotate", signed)
        assert (status, problem["type"]) == (409, "urn:hening:problem:collections-differ")
    status, _ = await device.ask(
        "POST", "rotate", await device.sign("rotate", SigningKey.generate(), **rewrapped(*own))
    )
    assert status == 401
    _, listed = await device.call("GET", "collection/")
    assert all(not each["collectionKey"].startswith(b"new") for each in listed["data"])
    assert (await other.call("GET", "collection/"))[1]["data"][0]["collectionType"] == b"type"


async def test_requests_that_began_before_a_rotation_are_refused(cloud):
    """A request that another device began before a rotation is refused after it.

    Its data would be encrypted with the former key, and closed to its owner.
    """
    device, words = await cloud.device(), SigningKey.generate()
    await device.set_recovery(words)
    late = Device(cloud.http, cloud.url, "ani", device.key)
    await late.log_in()
    kept = {"key": bytes(words.verify_key), "wrap": b"of the former key", "words": b"former"}
    signed = await late.sign("setRecovery", recovery=kept)
    made = {"item": make_item(), "collectionKey": b"former", "collectionType": b"former"}
    requests = [
        ("PUT", "account/1/recovery", msgspec.json.encode(signed)),
        ("POST", "api/v1/collection/", msgspec.msgpack.encode(made)),
    ]
    has_rotated = asyncio.Event()

    async def pieces(body):
        yield body[:20]
        await has_rotated.wait()
        yield body[20:]

    async def send(method, path, body):
        headers = {"Authorization": f"Token {late.token}"}
        url = f"{cloud.url}/{path}"
        async with cloud.http.request(method, url, data=pieces(body), headers=headers) as answer:
            return answer.status

    sending = [asyncio.create_task(send(*each)) for each in requests]
    newer = {**kept, "wrap": b"of the newer key"}
    rotation = await device.sign("rotate", **rewrapped(recovery=newer))
    assert (await device.ask("POST", "rotate", rotation))[0] == 204
    has_rotated.set()
    assert await asyncio.gather(*sending) == [401, 401]
    _, opened = await device.ask("POST", OPEN, await device.sign("openRecovery", words))
    assert opened["wrap"] == base64.b64encode(newer["wrap"]).decode()
    assert (await device.call("GET", "collection/"))[1]["data"] == []


@on_both
async def test_concurrent_rotations(cloud):
    """Of several devices that rotate together, each succeeds or is logged out."""
    device = await cloud.device()
    await device.set_recovery(SigningKey.generate())
    devices = [Device(cloud.http, cloud.url, "ani", device.key) for _ in range(3)]
    requests = []
    for each in (device, *devices):
        await each.log_in()
        kept = {"key": bytes(32), "wrap": b"other", "words": b"other"}
        signed = await each.sign("setRecovery", recovery=kept)
        requests += [each.ask("PUT", "recovery", signed) for _ in range(2)]
        signed = await each.sign("rotate", **rewrapped(recovery=kept))
        requests.append(each.ask("POST", "rotate", signed))
    statuses = {status for status, _ in await asyncio.gather(*requests)}
    assert statuses <= {204, 401}


@pytest.fixture
async def shared(cloud):
    """Return owner and member of a collection, and its uid."""
    owner, member = await cloud.device(), await cloud.device("budi")
    collection = (await owner.create())["uid"]
    await owner.share(member, collection)
    return owner, member, collection


@on_both
async def test_rotation_invites_members_again(shared):
    """A member's access ends with the former key, and a new invitation has the new key."""
    owner, member, collection = shared
    invitation = uid()
    asked = rewrapped(collection)
    asked["collections"][0]["members"] = [{"uid": invitation, "username": "budi", "key": b"boxed"}]
    _, before = await member.call("GET", "collection/")
    assert (await owner.ask("POST", "rotate", await owner.sign("rotate", **asked)))[0] == 204
    _, listed = await member.call("GET", f"collection/?stoken={before['stoken']}")
    assert listed["removedMemberships"] == [{"uid": collection}]
    assert (await member.call("GET", f"collection/{collection}/"))[0] == 404
    _, incoming = await member.call("GET", "invitation/incoming/")
    assert [each["accessLevel"] for each in incoming["data"]] == [2]
    assert (await member.accept(invitation))[0] == 201
    assert (await member.batch(collection, make_item()))[0] == 200
    assert (await owner.call("GET", f"collection/{collection}/"))[1]["collectionKey"][:3] == b"new"


async def test_rotation_removes_invitations_to_the_account(cloud):
    """Invitations to the former key of an account are removed."""
    owner, invited = await cloud.device(), await cloud.device("budi")
    await owner.invite(invited, (await owner.create())["uid"])
    assert len((await invited.call("GET", "invitation/incoming/"))[1]["data"]) == 1
    signed = await invited.sign("rotate", **rewrapped())
    assert (await invited.ask("POST", "rotate", signed))[0] == 204
    assert (await invited.call("GET", "invitation/incoming/"))[1]["data"] == []


async def test_rotation_with_other_members_is_refused(cloud, shared):
    """A rotation with missing or foreign members, or without the right to share, is refused."""
    owner, member, collection = shared
    third = await cloud.device("citra")
    await owner.share(third, collection)
    keys = {name: {"uid": uid(), "username": name, "key": b"k"} for name in ("budi", "citra")}
    for members in (["budi"], ["budi", "citra", "ani"], ["budi", "budi"]):
        asked = rewrapped(collection)
        asked["collections"][0]["members"] = [
            keys.get(name, {"uid": uid(), "username": name, "key": b"k"}) for name in members
        ]
        status, problem = await owner.ask("POST", "rotate", await owner.sign("rotate", **asked))
        assert (status, problem["type"]) == (409, "urn:hening:problem:members-differ")
    asked = rewrapped(collection)
    asked["collections"][0]["members"] = [{"uid": uid(), "username": "ani", "key": b"k"}]
    assert (await member.ask("POST", "rotate", await member.sign("rotate", **asked)))[0] == 403
    assert (await third.call("GET", f"collection/{collection}/"))[0] == 200
