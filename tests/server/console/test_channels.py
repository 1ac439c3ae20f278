"""Channels: how a rollout is shown."""

import asyncio
import re

from tests.server.world import PACKAGE_2

PATH = "/console/channels/armani/id/stable"
DAY = 86_400


async def offer(team, **change):
    """Offer the newest build through the API, as an engineer."""
    answer = await team.api.call(
        "POST",
        "/channels/armani/id/stable/offer",
        token=await team.token("engineer"),
        body=change,
        headers={"If-Match": "*"},
    )
    assert answer.status == 200, answer.data
    return answer.json


async def publish_second(world, team):
    """Publish a second build."""
    await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
    await team.services.publisher.process_incoming()


async def pointer(team):
    """Return the channel's public pointer."""
    published = await team.services.require_rollouts().published()
    return published.pointers()["latest/armani/id/stable"]


async def test_a_staged_rollout(world, team):
    """The present share, the next step and the windows; the table lists every step, too."""
    await publish_second(world, team)
    stages = [{"permille": 10, "hold": 2 * DAY}, {"permille": 125, "hold": DAY}, {"permille": 1000}]
    windows = [
        {
            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
            "start": "00:00",
            "until": "24:00",
        }
    ]
    calendar = {"zone": "Asia/Jakarta", "windows": windows}
    await offer(team, plan={"stages": stages, "calendar": calendar})
    browser = await team.signed_in("viewer")
    page = await browser.get(PATH)
    assert "Share now 1 % Next step 12.5 % in 2 days" in page.text.replace("\xa0", " ")
    assert "Build 2 build 2 Android 14, patch level 2026-01-05" in page.text
    assert "Mon\N{EN DASH}Sun 00:00\N{EN DASH}24:00 Asia/Jakarta" in page.text
    assert len(re.findall('<td data-label="Share">', page.body)) == 3
    assert page.body.count('<rect class="future"') == 3
    listed = await browser.get("/console/channels")
    assert (
        "2 build 2 Android 14, patch level 2026-01-05, 12.8 kB, built 2026-01-01 Build 2. 1 %"
        in listed.text.replace("\xa0", " ")
    )
    team.api.ahead(2 * DAY)
    browser = await team.signed_in("viewer")  # the previous session has expired by then
    assert "Share now 12.5 %" in (await browser.get(PATH)).text.replace("\xa0", " ")


async def test_what_was_reached_at_the_halt(world, team):
    """A halted schedule admits no device, whatever its times: the page shows the halt's share."""
    await publish_second(world, team)
    stages = [{"permille": 10, "hold": DAY}, {"permille": 1000}]
    await offer(team, plan={"stages": stages})
    browser = await team.signed_in("engineer")
    await browser.send(await browser.get(f"{PATH}/halt"), "/halt")
    team.api.ahead(3 * DAY)
    browser = await team.signed_in("engineer")
    await browser.get(f"{PATH}/halt")
    page = await browser.get(PATH)
    assert "Share at the halt 1 %" in page.text.replace("\xa0", " ")
    assert "2 will not come 100 % never" in page.text.replace("\xa0", " ")
    assert (page.body.count('<rect class="past'), page.body.count('<rect class="future')) == (1, 0)
    assert "Build 2. no new phones" in (await browser.get("/console/channels")).text


async def test_a_new_schedule_erases_no_share(world, team):
    """Two raises later the first share is still on the page, with its time."""
    await publish_second(world, team)
    given = await offer(team, plan={"stages": [{"permille": 10}]})
    begun = given["channel"]["schedule"]
    assert given["change"]["schedule"] == begun
    for days, share in ((1, "20"), (2, "50")):
        team.api.ahead(days * DAY)
        browser = await team.signed_in("engineer")
        await browser.send(await browser.get(PATH), "/schedule", {"share": share})
    page = await browser.get(PATH)
    text = page.text.replace("\xa0", " ")
    steps = re.findall(r"(\d) ([\d.]+ %) \d{4}-\d\d-\d\d \d\d:\d\d (now|\d days? ago)", text)
    assert steps == [("1", "1 %", "2 days ago"), ("2", "20 %", "1 day ago"), ("3", "50 %", "now")]
    assert page.body.count('<rect class="past offered"') == 3


async def test_pages_that_are_not_there(team):
    """Unknown models, odd names and other paths are 404 with a page.

    The page of a channel without an offer says so, and has no buttons.
    """
    browser = await team.signed_in("admin")
    for path in ("/nobody/id/stable", "/armani", "/ARMANI/id/stable", "/armani/id/stable/"):
        page = await browser.get(f"/console/channels{path}")
        assert page.status == 404
        assert page.read.links
    assert (await browser.ask("HEAD", PATH)).status == 200
    assert (await browser.ask("PUT", PATH)).status == 405
    page = await browser.get("/console/channels/armani/id/beta")
    assert page.status == 200
    assert "Nothing is offered here yet" in page.text
    assert [form[0] for form in page.read.forms] == ["/console/sign-out"]
