"""The pages of channels, and rollout commands."""

import asyncio
import re

import pytest

from server.console.forms import permille, stages
from server.core.buckets import Bucket
from server.core.proposal import decode_proposal
from server.release.api.problems import ProblemError
from tests.server.ceremony import release
from tests.server.console.browser import console_world
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2

PATH = "/console/channels/armani/id/stable"
DAY = 86_400


async def offer(team, **change):
    """Offer the newest build through the API as an engineer."""
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
    published = await team.services.rollouts.published()
    return published.pointers()["latest/armani/id/stable"]


async def test_page_of_a_staged_rollout(world, team):
    """A staged rollout shows its share, its next step, its windows and all steps."""
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


async def test_share_at_the_halt(world, team):
    """The page of a halted channel shows the share at the halt."""
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


async def test_earlier_shares_are_shown_after_new_schedules(world, team):
    """After two changes of the schedule, the first share is still shown with its time."""
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


async def test_unknown_pages(team):
    """Unknown models and paths get 404 with a page.

    A channel without an offer says so and has no buttons.
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


HOUR = 3600


async def shares(team):
    """Return the public schedule as seconds since its first step, and permille."""
    schedule = (await pointer(team)).schedule
    return [(start - schedule[0][0], permille) for start, permille in schedule]


async def test_offer_form_proposes_newest_build_and_1_percent(world, team):
    """The form proposes the newest build and 1 %; the offer is published and recorded."""
    await publish_second(world, team)
    browser = await team.signed_in("engineer")
    page = await browser.get(PATH)
    (link,) = {link for link in page.read.links if link.endswith("/offer")}
    form = await browser.get(link)
    assert re.search(r">2, build 2</option>", form.body)  # short enough for a phone's screen
    page = await browser.send(form, "/offer", {"note": "the July build"})
    assert (page.path, page.status) == (PATH, 200)
    assert page.body.count('<rect class="past offered"') == 1  # from the first minute on
    assert (await pointer(team)).steps[-1].counter == 2
    assert await shares(team) == [(0, 10)]
    actors = [actor for actor, action, _ in await team.audit_log() if action == "rollout.offer"]
    assert actors[0].startswith("engineer/s-")
    assert "No build that is newer than 2" in (await browser.get(link)).text


async def test_offer_form_with_steps(world, team):
    """Each line of the form is a step with its duration; empty lines are ignored.

    An invalid form is shown again with the reason and all input.
    """
    await publish_second(world, team)
    browser = await team.signed_in("engineer")
    given = {"share-1": "2", "hold-1": "6", "unit-1": "hours", "share-2": "1", "note": '<"July">'}
    refused = await browser.send(await browser.get(f"{PATH}/offer"), "/offer", given)
    assert refused.status == 422
    assert "Begin with" in refused.text
    assert refused.form("/offer")[1].items() >= given.items()
    steps = {"share-2": "", "share-3": "12.5", "hold-3": "2", "unit-3": "days", "share-4": "100"}
    page = await browser.send(refused, "/offer", steps | {"note": ""})
    assert (page.path, page.status) == (PATH, 200)
    assert await shares(team) == [(0, 20), (6 * HOUR, 125), (6 * HOUR + 2 * DAY, 1000)]


async def test_share_can_only_be_raised(world, team):
    """A channel can be raised to 100 %, but not below its share."""
    await publish_second(world, team)
    browser = await team.signed_in("engineer")
    await browser.send(await browser.get(f"{PATH}/offer"), "/offer", {"share-1": "50"})
    page = await browser.get(PATH)
    refused = await browser.send(page, "/schedule", {"share": "1"})
    assert refused.status == 422
    assert "This cannot be done" in refused.text
    assert "phones cannot be taken out again" in refused.text
    page = await browser.send(page, "/schedule", {"share": "100", "note": "no report"})
    assert (page.path, page.status) == (PATH, 200)
    assert "raise to 100 % 2 build 2 done" in page.text.replace("\xa0", " ")
    assert (await pointer(team)).permille_at(world.epoch()) == 1000
    assert [form[0].rpartition("/")[2] for form in page.read.forms] == ["sign-out", "pause"]


async def test_two_person_approval(world):
    """Forms announce two-person approval, and a command waits for an approver."""
    async with console_world(world, approval_channels=("*/*/stable",)) as team:
        await publish_second(world, team)
        engineer = await team.signed_in("engineer")
        assert "need two-person approval" in (await engineer.get(PATH)).text
        form = await engineer.get(f"{PATH}/offer")
        assert "need two-person approval" in form.text
        page = await engineer.send(form, "/offer")
        assert page.path.startswith("/console/orders/")
        assert "another account has to approve it" in page.text
        assert (await pointer(team)).steps[-1].counter == 1
        approver = await team.signed_in("approver")
        await approver.send(await approver.get(page.path), "/approve")
        assert (await pointer(team)).steps[-1].counter == 2
        page = await engineer.send(await engineer.get(PATH), "/pause")
        assert (await pointer(team)).paused
        page = await engineer.send(page, "/resume")
        assert page.path.startswith("/console/orders/")
        assert (await pointer(team)).paused


async def test_withdrawal_is_a_proposal_file(world, team):
    """A withdrawal is a proposal file for the signers, and changes nothing."""
    files = dict.fromkeys((FIRST, FIRST.replace("stable", "beta")), (PACKAGE_1, release(1)))
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    await asyncio.to_thread(world.submit, role, [PACKAGE_1])
    await team.services.publisher.process_incoming()
    browser = await team.signed_in("engineer")
    before = await pointer(team)
    form = await browser.get(f"{PATH}/withdraw")
    assert "have to sign it" in form.text
    for everywhere, packages in (("", 1), ("yes", 2)):
        fields = {"everywhere": everywhere, "note": "It drains the battery."}
        saved = await browser.send(form, "/withdraw", fields)
        assert saved.status == 200
        assert saved.headers["Content-Disposition"] == (
            'attachment; filename="withdrawal-armani-1.json"'
        )
        proposal = decode_proposal(saved.body.encode())
        assert [change.role for change in proposal.changes] == ["armani"]
        assert proposal.note == "It drains the battery."
        assert proposal.changes[0].text.count('"withdrawn":true') == packages
    assert await pointer(team) == before
    assert [entry for entry in await team.audit_log() if "withdraw" in entry[1]] == []


def test_invalid_shares_and_steps_are_refused():
    """Invalid shares and steps are refused with a message."""
    for text in ("", "x", "101", "1.25", "-1", "1e2", "1 % of them"):
        with pytest.raises(ProblemError, match="is not a share"):
            permille(text)
    with pytest.raises(ProblemError, match="how long it is kept"):
        stages({"share-1": "1", "hold-1": "", "share-2": "100"})
    assert stages({"share-1": "12,5", "hold-1": ""}) == [{"permille": 125}]


async def test_outdated_page_can_only_halt(team):
    """A command from an outdated page is refused, but a halt is always accepted."""
    browser = await team.signed_in("engineer")
    old, form = await browser.get(PATH), await browser.get(f"{PATH}/halt")
    await browser.send(await browser.get(PATH), "/pause")
    refused = await browser.send(old, "/pause")
    assert refused.status == 412
    assert "look again" in refused.text.lower()
    for etag in ("", "*", "x", '"a", "b"'):
        refused = await browser.send(old, "/pause", {"etag": etag})
        assert refused.status in {400, 428}, etag
    for _ in range(2):
        assert (await browser.send(form, "/halt")).path == PATH
    assert (await pointer(team)).halted


async def test_halt_with_reasons(team):
    """A halt has reasons by language, which phones see; it is final.

    Reasons that cannot be shown are refused, and nothing is halted.
    """
    browser = await team.signed_in("approver")
    page = await browser.get(PATH)
    (link,) = [link for link in page.read.links if link.endswith("/halt")]
    form = await browser.get(link)
    for fields in (
        {"locale-1": "", "text-1": "without a language"},
        {"locale-1": "en", "text-1": "one", "locale-2": "en", "text-2": "two"},
        {"locale-1": "english", "text-1": "no such language"},
        {"locale-1": "en", "text-1": "see https://rom.example"},
        {"note": "x" * 501},
    ):
        assert (await browser.send(form, "/halt", fields)).status == 422, fields
    assert not (await pointer(team)).halted
    reason = "Boros baterai & panas < 5 %"
    fields = {"locale-1": "en", "text-1": "It drains the battery.\r\nSorry."}
    fields |= {"locale-2": "id", "text-2": reason, "note": "ticket 4711"}
    page = await browser.send(form, "/halt", fields)
    assert (page.path, page.status) == (PATH, 200)
    halted = await pointer(team)
    assert halted.halted
    assert halted.reason == {"en": "It drains the battery.\nSorry.", "id": reason}
    assert "halted" in page.text
    assert reason in page.read.text
    assert [form[0] for form in page.read.forms] == ["/console/sign-out"]


async def test_halt_with_unrecorded_text(world):
    """If a halt's reason is not recorded, the page says why."""
    async with console_world(world, rewordings_per_day=1) as team:
        browser = await team.signed_in("approver")
        form = await browser.get(f"{PATH}/halt")
        pages = [await browser.send(form, "/halt", {"note": note}) for note in "ab"]
        assert [page.status for page in pages] == [200, 429]
        assert "The new reason and note are not recorded" in pages[1].text


async def test_halt_and_pause_pass_rate_limits(team, monkeypatch):
    """A halt is accepted while rate limits block all other pages."""
    browser = await team.signed_in("engineer")
    page = await browser.get(PATH)
    ran = []

    class Urgent:
        async def run(self, call, work):
            ran.append(call.request.raw_path)
            return await work(call)

    team.services.urgent = Urgent()
    monkeypatch.setattr(Bucket, "wait", lambda _self, _now: 1)  # all rate limits are used up
    assert (await browser.ask("GET", PATH)).status == 429
    assert (await browser.send(page, "/pause", follow=False)).status == 303
    assert (await pointer(team)).paused
    halting = await browser.get(f"{PATH}/halt")
    assert (await browser.send(halting, "/halt", follow=False)).status == 303
    assert (await pointer(team)).halted
    assert ran == [f"{PATH}/pause", f"{PATH}/halt"]
