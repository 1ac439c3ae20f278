"""The first page: state, alarms, tasks and expiry."""

import asyncio
import re
from datetime import timedelta

import pytest

from server.console.overview import describe_role
from server.publisher.expiry.alarms import Notice, list_lifetimes, notice_of, plan_alarms
from server.publisher.expiry.monitor import MonitorResult
from server.release.rollouts.changes import State
from tests.server.console.browser import console_world
from tests.server.console.test_channels import DAY, PATH, offer, publish_second


async def test_server_state(team):
    """A sound server says so; otherwise each reason is a sentence.

    If the clock jumped, the difference to the signatures' time is shown.
    """
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/")
    for text in (
        "Ready",
        "Alarms None",
        "Steady",
        "1 channel: 1 offered",
        "Nothing waits.",
        "What to do Nothing now.",
    ):
        assert text in page.text
    team.process["reasons"] = ["no snapshot is loaded.", "the disk is full."]
    team.process["seen"] = MonitorResult(is_behind=True)
    page = await browser.get("/console/")
    assert "Not ready no snapshot is loaded. the disk is full." in page.text
    assert "Clock Behind" in page.text
    team.process |= {"seen": MonitorResult(), "behind": timedelta(seconds=90)}
    assert "Clock Jumped By 90 s" in (await browser.get("/console/")).text


async def test_alarm_severities_by_age(world, team):
    """An offline role of 90 days has a warning at 46 days and is late at 73.

    Expired online roles come last, because the server renews them itself.
    """
    browser = await team.signed_in("viewer")
    lifetimes = list_lifetimes(await asyncio.to_thread(world.published), {})
    for days, severity in ((46, "warning"), (73, "critical")):
        alarms = plan_alarms(lifetimes, world.now() + timedelta(days=days))
        team.process["alarms"] = [notice_of(alarm) for alarm in alarms]
        page = await browser.get("/console/")
        sentence = next(str(each) for each in alarms if each.role == "armani")
        command = "<code>hening-signer ceremony renew armani</code>"
        assert page.body.count(command) == 1
        sentence = " ".join(sentence.replace("`", " ").split())  # as the browser's text has it
        assert f"{severity} {sentence} How to renew it" in page.text
        assert f"Alarms {len(alarms)}" in page.text
        tasks = page.text.partition("What to do")[2].partition(" Server ")[0]
        assert tasks.index(str(alarms[0])) < tasks.index(sentence)
    now = world.now() + timedelta(hours=12)
    team.process["seen"] = MonitorResult(tuple(lifetimes), tuple(plan_alarms(lifetimes, now)))
    _, _, rows = (await browser.get("/console/")).text.partition(
        "those that people sign come first"
    )
    assert rows.index(" armani ") < rows.index(" latest ") < rows.index(" UTC")


async def test_tasks_of_an_account(world):
    """Changes and pauses are tasks of accounts that may act on them.

    Running, paused and halted rollouts are shown, completed ones are not.
    """
    async with console_world(world, approval_channels=("*/*/stable",)) as team:
        engineer, approver = await team.signed_in("engineer"), await team.signed_in("approver")
        assert "armani/id/stable" not in (await engineer.get("/console/")).text
        page = await engineer.get(PATH)
        await engineer.send(page, "/pause")
        paused = "armani/id/stable paused 1 build 1 Android 14, patch level 2026-01-05"
        assert paused in (await engineer.get("/console/")).text
        await engineer.send(await engineer.get(PATH), "/resume")
        for browser, tasks in (
            (engineer, "armani/id/stable waits at 100 % of 1 (build 1). Resume or halt"),
            (approver, "engineer wants to resume 1 (build 1) in armani/id/stable. Look and decide"),
            (await team.signed_in("viewer"), "Nothing now."),
        ):
            page = (await browser.get("/console/")).text.replace("\xa0", " ")
            assert tasks in page.partition("What to do")[2].partition(" Server ")[0]
            assert page.count("Resume or halt") + page.count("Look and decide") <= 1


async def test_unoffered_build_is_a_task(world, team):
    """A new build is a task of accounts that may offer it, until it is offered."""
    await publish_second(world, team)
    engineer, viewer = await team.signed_in("engineer"), await team.signed_in("viewer")
    task = "2 (build 2) of armani/id/stable is signed and not offered. Offer it…"
    page = await engineer.get("/console/")
    assert f"What to do signed {task}" in page.text
    assert f"{PATH}/offer" in page.read.links
    assert "What to do Nothing now." in (await viewer.get("/console/")).text
    page = await viewer.get(PATH)
    assert "2 build 2 is signed and not offered here." in page.text
    assert f"{PATH}/offer" not in page.read.links
    await engineer.send(await engineer.get(f"{PATH}/offer"), "/offer")
    assert "What to do Nothing now." in (await engineer.get("/console/")).text
    assert "is signed and not offered" not in (await viewer.get(PATH)).text


async def test_alarm_links(team):
    """An alarm about a role links to its renewal; one about the disk has no link."""
    browser = await team.signed_in("viewer")
    assert "None. The server checks" in (await browser.get("/console/alarms")).text
    team.process["alarms"] = [
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


async def test_refused_change_is_shown(world, team):
    """A scheduled change that was refused is shown."""
    await publish_second(world, team)
    plan = {"stages": [{"permille": 1000}]}
    due = world.epoch() + DAY
    await offer(team, plan=plan, due_at=due)
    await offer(team, plan=plan)
    team.api.ahead(2 * DAY)
    (change,) = await team.services.rollouts.run_due()
    assert change.state == State.REFUSED
    page = await (await team.signed_in("viewer")).get("/console/alarms")
    assert f"/console/orders/{change.id}" in page.read.links


async def test_keys_page_is_sorted_by_expiry(world, team):
    """Offline roles are sorted by expiry, with their keys and thresholds.

    One command renews all that expire within 30 days.
    """
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/keys")
    assert "Nothing has to be signed in the next 30 days" in page.text
    people, _, server = page.text.partition("Renewed by this server")
    days = dict(re.findall(r"(\w+) version \d+ .*?(\d+ days) \d{4}-", people))
    assert list(days)[-1] == "root"
    assert days == {
        **dict.fromkeys(["armani", "cancro", "content", "tables", "targets"], "90 days"),
        "root": "365 days",
    }
    assert re.search(r"timestamp version \d+ that the list is fresh 24 h \d{4}-", server)
    assert "2 of 3" in people
    for signer in world.ceremony.keys["root"]:
        assert signer.public_key.keyid[:16] in people
    assert [word for word in ("latest", "snapshot", "timestamp") if f"{word} version" in server]
    assert "latest version" not in people
    team.api.ahead(61 * DAY)
    text = (await (await team.signed_in("viewer")).get("/console/keys")).text
    assert "Sign these again" in text
    renew = "hening-signer ceremony renew armani cancro content tables targets"
    assert f"{renew} --propose renewal.json" in text
    # The root is where the quickstart put it, and `hening.toml` names the server's folder.
    assert "ceremony sign renewal.json --root repo/metadata/1.root.json --out NAME.sig" in text
    assert "submit renewal.json rm renewal.json NAME.sig Run the commands in the folder" in text


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("root", "the keys that all trust starts from"),
        ("latest-a", "what is offered in which channel"),
        ("armani", "the builds of armani"),
        ("content", "packs with notices, pictures and themes"),
    ],
)
def test_role_descriptions(role, words):
    """The page explains each role in plain words."""
    assert describe_role(role) == words
