"""Channels: how a rollout is shown, and commands from its page."""

import asyncio
import re

import pytest

from server.core.buckets import Bucket
from tests.server.console.browser import console_world
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
    assert page.body.count("<polygon") == 2
    listed = await browser.get("/console/channels")
    assert (
        "2 build 2 Android 14, patch level 2026-01-05, 12.8 kB, built 2026-01-01 Build 2. 1 %"
        in listed.text.replace("\xa0", " ")
    )
    team.api.ahead(2 * DAY)
    browser = await team.signed_in("viewer")  # the previous session has expired by then
    assert "Share now 12.5 %" in (await browser.get(PATH)).text.replace("\xa0", " ")


async def test_pause_and_resume(team):
    """Each is one form; the audit log names the session of the command."""
    browser = await team.signed_in("engineer")
    page = await browser.send(await browser.get(PATH), "/pause", {"note": "wait for QA"})
    assert (page.path, page.status) == (PATH, 200)
    assert (await pointer(team)).paused
    page = await browser.send(page, "/resume")
    assert not (await pointer(team)).paused
    changes = await browser.get(next(link for link in page.read.links if "?channel=" in link))
    assert changes.text.index("resume") < changes.text.index("pause")
    audit_log = [(actor, action) for actor, action, _ in await team.audit_log()]
    assert {action for actor, action in audit_log if actor.startswith("engineer/s-")} >= {
        "rollout.pause",
        "rollout.resume",
    }


async def test_an_old_page_changes_nothing(team):
    """Another user was faster: the command is refused, and the page asks for a new look."""
    browser = await team.signed_in("engineer")
    old = await browser.get(PATH)
    await browser.send(await browser.get(PATH), "/pause")
    refused = await browser.send(old, "/pause")
    assert refused.status == 412
    assert "look again" in refused.text.lower()
    for etag in ("", "*", "x", '"a", "b"'):
        refused = await browser.send(old, "/pause", {"etag": etag})
        assert refused.status in {400, 428}, etag


async def test_a_halt_with_its_reasons(team):
    """Two clicks from the channel: the form has reasons by language; phones see it, it is final."""
    browser = await team.signed_in("approver")
    page = await browser.get(PATH)
    (link,) = [link for link in page.read.links if link.endswith("/halt")]
    page = await browser.get(link)
    fields = {
        "locale-1": "en",
        "text-1": "It drains the battery.\r\nSorry.",
        "locale-2": "id",
        "text-2": "Boros baterai & panas < 5 %",
        "note": "ticket 4711",
    }
    page = await browser.send(page, "/halt", fields)
    assert (page.path, page.status) == (PATH, 200)
    halted = await pointer(team)
    assert halted.halted
    assert halted.reason == {
        "en": "It drains the battery.\nSorry.",
        "id": "Boros baterai & panas < 5 %",
    }
    assert "halted" in page.text
    assert "Boros baterai & panas < 5 %" in page.read.text
    assert [form[0] for form in page.read.forms] == ["/console/sign-out"]


async def test_words_that_are_not_recorded(world):
    """A form opened before the halt is answered with the reason of the refusal."""
    async with console_world(world, rewordings_per_day=1) as team:
        browser = await team.signed_in("approver")
        form = await browser.get(f"{PATH}/halt")
        told = [await browser.send(form, "/halt", {"note": note}) for note in "ab"]
        assert [page.status for page in told] == [200, 429]
        assert "The new reason and note are not recorded" in told[1].text


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
    assert page.body.count("<polygon") == 1
    assert "Build 2. no new phones" in (await browser.get("/console/channels")).text


async def test_a_halt_wins_over_an_old_page(team):
    """Whatever happened since the form was opened, and however often it is pressed."""
    browser, other = await team.signed_in("engineer"), await team.signed_in("engineer")
    form = await browser.get(f"{PATH}/halt")
    await other.send(await other.get(PATH), "/pause")
    for _ in range(2):
        assert (await browser.send(form, "/halt")).path == PATH
    assert (await pointer(team)).halted


@pytest.mark.parametrize(
    "fields",
    [
        {"locale-1": "", "text-1": "without a language"},
        {"locale-1": "en", "text-1": "one", "locale-2": "en", "text-2": "two"},
        {"locale-1": "english", "text-1": "no such language"},
        {"locale-1": "en", "text-1": "x" * 501},
        {"locale-1": "en", "text-1": "see https://rom.example"},
        {"locale-1": "en", "text-1": "fast \u202egpj.exe"},
        {"locale-1": "en", "text-1": "a\u200bb"},
        {"note": "see <b>here</b>"},
        {"note": "\x1b[2J"},
        {"note": "x" * 501},
    ],
    ids=str,
)
async def test_reasons_that_cannot_be_shown(team, fields):
    """They are refused with a message, and nothing is halted."""
    browser = await team.signed_in("engineer")
    page = await browser.send(await browser.get(f"{PATH}/halt"), "/halt", fields)
    assert page.status == 422
    assert not (await pointer(team)).halted


async def test_pages_that_are_not_there(team):
    """Unknown models, odd names and other paths are 404 with a page."""
    browser = await team.signed_in("admin")
    for path in ("/nobody/id/stable", "/armani", "/ARMANI/id/stable", "/armani/id/stable/"):
        page = await browser.get(f"/console/channels{path}")
        assert page.status == 404
        assert page.read.links
    assert (await browser.ask("HEAD", PATH)).status == 200
    assert (await browser.ask("PUT", PATH)).status == 405


async def test_a_channel_without_an_offer(world):
    """The page says so, and has no buttons."""
    async with console_world(world) as team:
        browser = await team.signed_in("engineer")
        page = await browser.get("/console/channels/armani/id/beta")
        assert page.status == 200
        assert "Nothing is offered here yet" in page.text
        assert [form[0] for form in page.read.forms] == ["/console/sign-out"]


async def test_a_pause_gets_through_guesses(team, monkeypatch):
    """From an open page, as a halt does, and on the loop for urgent requests."""
    browser = await team.signed_in("engineer")
    page = await browser.get(PATH)
    ran = []

    class Urgent:
        async def run(self, call, work):
            ran.append(call.request.raw_path)
            return await work(call)

    object.__setattr__(team.services, "urgent", Urgent())
    monkeypatch.setattr(Bucket, "wait", lambda _self, _now: 1)  # all rate limits are used up
    assert (await browser.ask("GET", PATH)).status == 429
    assert (await browser.send(page, "/pause", follow=False)).status == 303
    assert ran == [f"{PATH}/pause"]
    assert (await pointer(team)).paused


async def test_a_halt_gets_through_guesses(team, monkeypatch):
    """A signed-in user halts while guesses and the account's own limit block every other page."""
    browser = await team.signed_in("approver")
    monkeypatch.setattr(Bucket, "wait", lambda _self, _now: 1)  # all rate limits are used up
    assert (await browser.ask("GET", PATH)).status == 429
    halting = await browser.get(f"{PATH}/halt")
    assert (await browser.send(halting, "/halt", follow=False)).status == 303
    assert (await pointer(team)).halted
    assert (await browser.ask("GET", PATH)).status == 429
