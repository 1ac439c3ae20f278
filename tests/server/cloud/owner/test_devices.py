"""The account API: devices that wait for approval, sessions, tokens and usage."""

import base64

import pytest
from nacl.signing import SigningKey

from server.cloud.owner.devices import approval_text
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import Device
from tests.server.cloud.policies import DAYS


def encoded(data):
    """Return bytes in their JSON form."""
    return base64.b64encode(data).decode()


@pytest.fixture
async def first(cloud):
    """Return a device that can approve others, with its key as `first.own`."""
    device = await cloud.device()
    device.own = SigningKey.generate()
    await device.set_recovery(SigningKey.generate())
    await device.ask("PUT", "device", {"key": bytes(device.own.verify_key), "label": b"sealed"})
    assert await device.ask("PUT", "choices", {"approves_devices": True}) == (204, None)
    return device


async def log_in_new(cloud, first):
    """Log in a new device and register its key; return it, its session's id and the key."""
    new, own = Device(cloud.http, cloud.url, "ani", first.key), SigningKey.generate()
    assert (await new.log_in())[0] == 200
    status, registered = await new.ask("PUT", "device", {"key": bytes(own.verify_key)})
    assert (status, registered["state"]) == (200, "pending")
    return new, registered["id"], bytes(own.verify_key)


@on_both
async def test_a_new_device_waits_for_approval(cloud, first):
    """A new device may only register; after approval it may do everything."""
    new, session, key = await log_in_new(cloud, first)
    for method, path in (("GET", "sessions"), ("GET", "usage"), ("POST", "app-tokens")):
        status, problem = await new.ask(method, path, {"door": "blobs"})
        assert (status, problem["type"]) == (403, "urn:hening:problem:device-not-approved")
    assert (await new.call("GET", "collection/"))[1]["code"] == "device_not_approved"
    _, sessions = await first.ask("GET", "sessions")
    (waiting,) = [each for each in sessions if each["state"] == "pending"]
    assert (waiting["id"], waiting["key"]) == (session, encoded(key))
    signature = first.own.sign(approval_text("id", session, key)).signature
    path = f"sessions/{session}/approval"
    assert await first.ask("POST", path, {"signature": signature}) == (204, None)
    assert (await new.call("GET", "collection/"))[0] == 200
    _, sessions = await new.ask("GET", "sessions")
    assert [each["state"] for each in sessions] == ["approved", "approved"]


async def test_refused_approvals(cloud, first):
    """An approval is refused if another key signed it, or for another session, key or region.

    The waiting device cannot approve itself.
    """
    new, session, key = await log_in_new(cloud, first)
    own, stranger = first.own, SigningKey.generate()
    texts = [
        (stranger, approval_text("id", session, key)),
        (own, approval_text("de", session, key)),
        (own, approval_text("id", session[::-1], key)),
        (own, approval_text("id", session, bytes(32))),
    ]
    path = f"sessions/{session}/approval"
    for signer, text in texts:
        status, problem = await first.ask("POST", path, {"signature": signer.sign(text).signature})
        assert (status, problem["type"]) == (403, "urn:hening:problem:bad-signature")
    signature = own.sign(approval_text("id", session, key)).signature
    assert (await new.ask("POST", path, {"signature": signature}))[0] == 403
    other = await cloud.device("budi")
    await other.ask("PUT", "device", {"key": bytes(own.verify_key)})
    assert (await other.ask("POST", path, {"signature": signature}))[0] == 404
    assert (await new.ask("GET", "usage"))[0] == 403
    # The waiting device may log out, and the first device may end that session.
    assert (await new.call("POST", "authentication/logout/"))[0] == 204
    _, session, _ = await log_in_new(cloud, first)
    assert await first.ask("DELETE", f"sessions/{session}") == (204, None)
    assert len((await first.ask("GET", "sessions"))[1]) == 1


@on_both
async def test_conditions_of_device_approval(cloud):
    """Approval requires a device with a key, and recovery words in case all devices are lost."""
    device, on = await cloud.device(), {"approves_devices": True}
    problem = (await device.ask("PUT", "choices", on))[1]
    assert problem["type"] == "urn:hening:problem:device-without-key"
    own = {"key": bytes(SigningKey.generate().verify_key)}
    for _ in range(2):  # repeating the registration is no error; another key needs another login
        assert (await device.ask("PUT", "device", own))[0] == 200
    status, problem = await device.ask("PUT", "device", {"key": bytes(32)})
    assert (status, problem["type"]) == (409, "urn:hening:problem:device-has-key")
    assert (await device.ask("PUT", "choices", on))[1]["type"] == "urn:hening:problem:no-recovery"
    await device.set_recovery(SigningKey.generate())
    assert await device.ask("PUT", "choices", on) == (204, None)
    assert (await device.ask("GET", "choices"))[1] == on
    await device.ask("PUT", "choices", {"approves_devices": False})
    assert (await device.log_in())[0] == 200
    assert (await device.call("GET", "collection/"))[0] == 200


async def test_sessions_are_prolonged_by_use(cloud):
    """A session is prolonged once a day, and ends after the policy's days without use."""
    day, idle = 24 * 60 * 60, DAYS["session_idle"]
    device = await cloud.device()
    unused = Device(cloud.http, cloud.url, "ani", device.key)
    await unused.log_in()
    first = (await device.ask("GET", "sessions"))[1][0]["expires_at"]
    cloud.clock.seconds += day
    assert (await device.ask("GET", "sessions"))[1][0]["expires_at"] == first
    cloud.clock.seconds += (idle - 1) * day - 1
    assert (await device.ask("GET", "usage"))[0] == 200
    cloud.clock.seconds += 1
    assert (await unused.ask("GET", "usage"))[0] == 401
    for _ in range(5):
        cloud.clock.seconds += (idle - 2) * day
        assert (await device.call("GET", "collection/"))[0] == 200
    cloud.clock.seconds += idle * day
    assert (await device.call("GET", "collection/"))[0] == 401


async def test_devices_are_listed_and_logged_out(cloud):
    """Any device can list sessions and end each by its id; its own is marked."""
    device = await cloud.device()
    cloud.clock.seconds += 60
    second = Device(cloud.http, cloud.url, "ani", device.key)
    await second.log_in()
    status, sessions = await device.ask("GET", "sessions")
    assert status == 200
    assert [each["is_this"] for each in sessions] == [False, True]
    assert sessions[0]["created_at"] == cloud.clock.seconds
    path = f"sessions/{sessions[0]['id']}"
    assert await device.ask("DELETE", path) == (204, None)
    assert (await device.ask("DELETE", path))[0] == 404
    assert (await second.ask("GET", "sessions"))[0] == 401
    assert len((await device.ask("GET", "sessions"))[1]) == 1


async def test_tokens_are_made_listed_and_removed(cloud):
    """An account has at most 32 tokens; one more is refused until another is removed."""
    device = await cloud.device()
    status, made = await device.ask("POST", "app-tokens", {"door": "blobs", "reads_only": True})
    assert (status, "token" in made) == (201, True)
    kept = {"id": made["id"], "door": "blobs", "reads_only": True}
    _, listed = await device.ask("GET", "app-tokens")
    assert listed == [{**kept, "created_at": cloud.clock.seconds}]
    for _ in range(31):
        await device.make_token()
    status, problem = await device.ask("POST", "app-tokens", {"door": "blobs"})
    assert (status, problem["type"]) == (409, "urn:hening:problem:too-many-tokens")
    assert await device.ask("DELETE", f"app-tokens/{made['id']}") == (204, None)
    assert made["id"] not in str((await device.ask("GET", "app-tokens"))[1])
    await device.make_token()


async def test_malformed_requests_are_refused(cloud):
    """Malformed requests get a problem document; without a token every request is refused."""
    device = await cloud.device()
    odd = {"door": "blobs", "more": 1}, {"door": "blobs", "reads_only": 1}
    for body in ({}, {"door": "all"}, [], *odd):
        status, problem = await device.ask("POST", "app-tokens", body)
        assert (status, problem["type"]) == (400, "urn:hening:problem:malformed"), body
        assert problem["title"] == "Bad Request"
    device.token = ""
    assert (await device.ask("GET", "usage"))[0] == 401
