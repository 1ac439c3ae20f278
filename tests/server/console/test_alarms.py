"""Alarms: the worst first, each with what to do."""

from server.publisher.alarms import Notice
from server.release.rollouts.changes import State
from tests.server.console.test_channels import offer, publish_second

DAY = 86_400


async def test_alarms(team):
    """A signed list leads to its renewal, a full disk leads nowhere."""
    browser = await team.signed_in("viewer")
    assert "None. The server looks" in (await browser.get("/console/alarms")).text
    team.surroundings["alarms"] = [
        Notice("disk", "warning", "It fills."),
        Notice("armani", "expired", "It is over."),
        Notice("timestamp", "critical", "It is not renewed."),
    ]
    page = await browser.get("/console/alarms")
    assert (
        "expired It is over. How to renew it critical It is not renewed. warning It fills."
        in page.text
    )
    assert page.read.links.count("/console/keys") == 2  # of the menu, and of armani


async def test_a_change_that_was_refused(world, team):
    """A scheduled change that did not fit when its time came is on the page."""
    await publish_second(world, team)
    plan = {"stages": [{"permille": 1000}]}
    due = world.epoch() + DAY
    await offer(team, plan=plan, due_at=due)
    await offer(team, plan=plan)
    team.api.ahead(2 * DAY)
    (change,) = await team.services.require_rollouts().run_due()
    assert change.state == State.REFUSED
    page = await (await team.signed_in("viewer")).get("/console/alarms")
    assert f"/console/orders/{change.id}" in page.read.links
