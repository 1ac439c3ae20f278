"""The operator's view: numbers by random ids and totals, and suspension of an account."""

import os

import pytest
from prometheus_client import generate_latest

from server.cloud.errors import CloudError
from server.cloud.metrics import ROTATED, CloudMetrics
from server.cloud.operator import WEEK, list_accounts, show_account, suspend_account
from server.storage.errors import StorageError
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, SECRETS, make_item


@on_both
async def test_operator_sees_no_names(cloud, database):
    """The operator sees sizes by account, but no name and no content."""
    device, other = await cloud.device(), await cloud.device("budi")
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(1000)), make_item())
    used = (await device.ask("GET", "usage"))[1]["used"]
    async with database() as db:
        first, second = sorted(await list_accounts(db, "", NOW), key=lambda row: -row.bytes)
        assert (first.bytes, first.collections, first.items, first.sessions) == (used, 1, 3, 1)
        assert (second.bytes, second.collections, second.vaults) == (0, 0, 0)
        assert (first.used_week, first.policy) == (NOW // WEEK, 1)
        assert await show_account(db, first.id, NOW) == first
        rest = await list_accounts(db, min(first.id, second.id), NOW)
        assert [row.id for row in rest] == [max(first.id, second.id)]
        assert (await show_account(db, first.id, NOW + 10**9)).sessions == 0
        with pytest.raises(CloudError, match="there is no account"):
            await show_account(db, "nobody", NOW)
    assert other.name not in repr([first, second])


@on_both
async def test_a_suspended_account_is_not_served(cloud, database):
    """All APIs refuse a suspended account from its next request on; its rights stay.

    The account is served again once the suspension ends.
    """
    device, other = await cloud.device(), await cloud.device("budi")
    program = await device.program()
    await device.create()
    async with database() as db:
        (account,) = [row.id for row in await list_accounts(db, "", NOW) if row.collections]

    async def suspend(*, is_suspended):
        async with database.begin() as db:
            await suspend_account(db, account, is_suspended=is_suspended)

    await suspend(is_suspended=True)
    assert (await device.ask("GET", "usage"))[0] == 403
    assert (await program.ask("GET", "x/data/"))[0] == 403
    assert (await other.call("GET", "collection/"))[0] == 200
    assert (await device.log_in())[0] == 200
    status, answer = await device.call("GET", "collection/")
    assert (status, answer["code"]) == (403, "account_suspended")
    for path in ("export", "consents", "notices"):
        assert (await device.ask("GET", path))[0] == 200
    assert (await device.call("POST", "authentication/dashboard_url/"))[0] == 200
    status, link = await device.ask("POST", "owner-links")
    assert status == 201
    async with cloud.http.get(link["url"]) as page:
        assert page.status == 200
    await suspend(is_suspended=False)
    assert (await device.call("GET", "collection/"))[0] == 200
    await suspend(is_suspended=True)
    assert (await device.ask("POST", "consents/withdrawal"))[0] == 200
    assert (await device.ask("POST", "erasure"))[1]["step"] == "done"
    with pytest.raises(CloudError, match="there is no account"):
        await suspend(is_suspended=True)


async def test_metrics_are_totals_and_outcomes(cloud, database):
    """No label comes from a request, and none names an account."""
    device = await cloud.device()
    metrics = CloudMetrics()
    assert metrics.reasons()
    await metrics.count_totals(database, bytes(8), NOW)
    assert metrics.reasons() == [ROTATED]
    await metrics.count_totals(database, SECRETS.mark, NOW)
    assert metrics.reasons() == []
    for path, status in (
        ("/api/v1/authentication/login/", 401),
        ("/account/1/recovery/use", 200),
        ("/api/v1/collection/", 200),
        ("/api/v1/collection/", 507),
        ("/blobs/photos/data/", 429),
        ("/account/1/usage", 503),
        (f"/{device.name}", 404),
    ):
        metrics.count(path, status)
    lines = {
        line
        for line in generate_latest(metrics.registry).decode().splitlines()
        if line.startswith("hening") and "_created" not in line
    }
    counts = {
        *(("login", "refused"), ("login", "ok"), ("records", "ok"), ("records", "full")),
        *(("blobs", "limited"), ("account", "failed"), ("none", "refused")),
    }
    assert lines == {
        f'hening_cloud_requests_total{{door="{door}",outcome="{outcome}"}} 1.0'
        for door, outcome in counts
    } | {"hening_cloud_accounts 1.0", "hening_cloud_sessions 1.0", "hening_cloud_bytes 0.0"}


async def test_a_database_that_does_not_answer_is_a_reason():
    """A database that does not answer is a reason not to be ready."""
    metrics = CloudMetrics()

    def broken():
        raise StorageError("the database is gone.")

    await metrics.count_totals(broken, bytes(8), NOW)
    assert metrics.reasons() == ["the database does not answer."]
