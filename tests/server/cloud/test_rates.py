"""Rate limits of an account's requests and of logins for a name: a burst, then a steady rate."""

import aiohttp
import pytest
from nacl.signing import SigningKey

from server.cloud.rates import BURST_SECONDS
from tests.server.cloud.device import Device, running


@pytest.fixture
async def cloud(tmp_path):
    """Give a cloud with one request a second for each account, and few logins."""
    async with running(
        tmp_path / "cloud.sqlite", tmp_path, requests_per_second=1, logins_per_hour=6
    ) as served:
        yield served


async def test_an_account_asks_so_often(cloud):
    """All its APIs together; the answer says when to retry, and others are served."""
    device, other = await cloud.device(), await cloud.device("budi")
    token = await device.make_token()
    for _ in range(BURST_SECONDS - 2):  # it has agreed to the policy, and made a token
        assert (await device.call("GET", "collection/"))[0] == 200
    status, answer = await device.call("GET", "collection/")
    assert (status, answer["code"]) == (429, "too_many_requests")
    assert "ask again in 1 s" in answer["detail"]
    headers = {"Authorization": f"Token {device.token}"}
    async with cloud.http.get(f"{cloud.url}/account/1/usage", headers=headers) as refused:
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert refused.content_type == "application/problem+json"
    login = {"Authorization": aiohttp.encode_basic_auth("ani", token)}
    async with cloud.http.get(f"{cloud.url}/blobs/photos/data/", headers=login) as refused:
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (await other.call("GET", "collection/"))[0] == 200
    cloud.clock.seconds += 1
    assert (await device.call("GET", "collection/"))[0] == 200
    assert (await device.call("GET", "collection/"))[0] == 429


@pytest.mark.parametrize("name", ["ani", "nobody"])
async def test_a_name_is_tried_so_often(cloud, name):
    """Known or unknown; recovery words count, too, and the right password waits as well."""
    owner = await cloud.device()
    for _ in range(7):
        assert (await owner.log_in())[0] == 200  # a valid login is not counted
    tried = Device(cloud.http, cloud.url, name, SigningKey.generate())
    for _ in range(5):
        assert (await tried.log_in())[0] == 401
    signed = await tried.sign("useRecovery", login_key=bytes(32), wrap=b"wrap")
    assert (await tried.ask("POST", "recovery/use", signed))[0] == 401
    status, answer = await tried.log_in()
    assert (status, answer["code"]) == (429, "too_many_requests")
    assert (await tried.ask("POST", "recovery/use", signed))[0] == 429
    assert (await owner.call("GET", "collection/"))[0] == 200
    assert (await owner.log_in())[0] == (429 if name == "ani" else 200)
    cloud.clock.seconds += 600
    assert (await tried.log_in())[0] == 401
    assert (await tried.log_in())[0] == 429
