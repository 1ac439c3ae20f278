"""Waiting changes: who sees them and who decides."""

import pytest

from server.release.auth.accounts import change_account
from tests.server.console.browser import console_world
from tests.server.console.test_channels import offer, pointer, publish_second

PLAN = {"stages": [{"permille": 1000}]}


@pytest.fixture
async def waiting(world):
    """Return a console with a waiting offer of an engineer, and its page's path."""
    async with console_world(world, approval_channels=("*/*/stable",)) as team:
        await publish_second(world, team)
        given = await offer(team, plan=PLAN, note="the July build")
        assert given["change"]["state"] == "waiting"
        yield team, f"/console/orders/{given['change']['id']}"


async def test_proposer_cannot_approve(waiting):
    """The proposer cannot approve a change; an approver can, and it is published."""
    team, path = waiting
    engineer = await team.signed_in("engineer")
    own = await engineer.get(path)
    assert "another account has to approve it" in own.text
    assert "the July build" in own.text
    assert "Build 2 build 2 Android 14, patch level 2026-01-05, 12.8" in own.text
    assert [form[0].rpartition("/")[2] for form in own.read.forms] == ["sign-out", "cancel"]
    approver = await team.signed_in("approver")
    assert path in (await approver.get("/console/")).read.links
    page = await approver.send(await approver.get(path), "/approve")
    assert (page.path, page.status) == (path, 200)
    assert "approver" in page.text
    assert (await pointer(team)).steps[-1].counter == 2
    assert "Nothing waits." in (await approver.get("/console/")).text
    actors = [actor for actor, action, _ in await team.audit_log() if action == "change.approve"]
    assert len(actors) == 1
    assert actors[0].startswith("approver/s-")


async def test_reject_and_cancel(waiting):
    """An approver can reject a change and the proposer cancel it; the reason is shown."""
    team, first = waiting
    again = await offer(team, plan=PLAN)
    for account, button, state, path in (
        ("approver", "reject", "rejected", first),
        ("engineer", "cancel", "cancelled", f"/console/orders/{again['change']['id']}"),
    ):
        browser = await team.signed_in(account)
        page = await browser.send(
            await browser.get(path), f"/{button}", {"reason": "the battery test failed"}
        )
        assert state in page.text
        assert "the battery test failed" in page.text
        assert (await pointer(team)).steps[-1].counter == 1
        assert path in (await browser.get(f"/console/orders?state={state}")).read.links
        assert path not in (await browser.get("/console/orders?state=waiting")).read.links


async def test_controlled_account_cannot_approve(waiting):
    """An account that the proposer controls cannot approve, and sees why."""
    team, path = waiting
    at = team.services.epoch()
    admin = team.api.principals["admin"]
    async with team.services.sessions.begin() as session:
        await change_account(session, admin, name="engineer", codenames=["armani"], at=at)
    browser = await team.signed_in("admin")
    page = await browser.get(path)
    assert "the account engineer is controlled by admin" in page.text
    assert [form[0].rpartition("/")[2] for form in page.read.forms] == ["sign-out", "reject"]
    data = {"csrf": page.read.forms[0][2]["csrf"]}
    refused = await browser.ask("POST", f"{path}/approve", data=data, follow=False)
    assert refused.status == 403
    assert "controlled by admin" in refused.text
    approver = await team.signed_in("approver")
    page = await approver.get(path)
    assert (await approver.send(page, "/approve")).status == 200
