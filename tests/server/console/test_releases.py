"""The pages of models, builds, downloads and content packs."""

import asyncio
import hashlib

import pytest

from server.console import rendering
from server.console.releases import _estimate_phones
from server.release.api.models import Downloads
from server.storage.models import PackageDownloads
from tests.server.ceremony import release
from tests.server.console.test_channels import DAY, PATH
from tests.server.core.content.samples import NEWS, entries_of, pack
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND

INCREMENTAL = SECOND.replace("-2", "-2-from-1")
BETA = SECOND.replace("stable", "beta")
DELTA = b"PK\x03\x04 the difference"


async def publish_three(world, team):
    """Publish a second build, with an incremental, in two channels."""
    first = release(1)
    of_second = release(2, changelog={"en": "Repairs the alarm clock.\nAnd more.", "id": "Jam."})
    files = {
        FIRST: (PACKAGE_1, first),
        SECOND: (PACKAGE_2, of_second),
        BETA: (PACKAGE_2, of_second),
        INCREMENTAL: (
            DELTA,
            of_second | {"type": "incremental", "source_builds": [first["fingerprint"]]},
        ),
    }
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    await asyncio.to_thread(world.submit, role, [PACKAGE_2, DELTA])
    await team.services.publisher.process_incoming()


async def test_builds_of_a_model(world, team):
    """Builds are listed newest first with packages, channels and changelogs.

    The list of models shows each newest build.
    """
    await publish_three(world, team)
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/releases/armani")
    text = page.text.replace("\xa0", " ")
    newest, _, oldest = text.partition("1 build 1 Patch level")
    assert "2 build 2 Patch level 2026-01-05 Built 2026-01-01" in newest
    assert "armani/id/beta not offered armani/id/stable not offered" in newest
    assert newest.count("armani-2.zip 12.8 kB every phone") == 1
    assert "armani-2-from-1.zip 19 bytes phones with 1" in newest
    assert "en Repairs the alarm clock. And more. id Jam." in newest
    assert "armani/id/stable offered 100 %" in oldest
    (keyid,) = [signer.public_key.keyid for signer in world.ceremony.keys["armani"]]
    assert f"Signed by {keyid[:16]}" in newest
    assert PATH in page.read.links
    text = (await browser.get("/console/releases")).text
    assert "armani 2 build 2 patch level 2026-01-05 armani/id/beta not offered" in text
    assert "cancro none nowhere 0" in text
    one = await browser.get("/console/releases?limit=1")
    (following,) = [link for link in one.read.links if "cursor=" in link]
    assert "cancro none" in (await browser.get(following)).text
    assert (await browser.get("/console/releases/dior")).status == 404


async def test_halted_build_before_a_newer_offer(world, team):
    """A halted build shows when it was halted; one never offered says so."""
    browser = await team.signed_in("engineer")
    await browser.send(await browser.get(f"{PATH}/halt"), "/halt")
    day = rendering.day(team.services.epoch())
    await publish_three(world, team)
    await browser.send(await browser.get(f"{PATH}/offer"), "/offer")
    team.api.ahead(2 * DAY)
    page = await (await team.signed_in("viewer")).get("/console/releases/armani")
    newest, _, oldest = page.text.partition("1 build 1 Patch level")
    assert f"armani/id/stable halted on {day}" in oldest
    assert "armani/id/beta not offered armani/id/stable offered 1" in newest


async def test_withdrawn_build_stays_listed(world, team):
    """A withdrawn build stays listed as withdrawn."""
    files = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    await asyncio.to_thread(world.submit, role)
    await team.services.publisher.process_incoming()
    text = (await (await team.signed_in("viewer")).get("/console/releases/armani")).text
    assert "armani/id/stable withdrawn" in text
    assert "armani-1.zip withdrawn" in text


@pytest.mark.parametrize(
    ("seconds", "polls", "phones"), [(21_599, 9, None), (21_600, 9, 9), (43_200, 30, 15)]
)
def test_phones_are_estimated_from_polls(seconds, polls, phones):
    """Phones are estimated from polls, of which each phone makes one every six hours."""
    assert _estimate_phones(Downloads(True, polls, seconds, [])) == phones


async def test_downloads_of_a_build(team):
    """A build has its downloads by day, and the command that forecasts its rollout."""
    sha256 = hashlib.sha256(PACKAGE_1).hexdigest()
    async with team.services.sessions.begin() as session:
        for day in (20_423, 20_424):
            session.add(PackageDownloads(sha256=sha256, day=day, begun=1_000, finished=980))
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/releases/armani")
    assert "/console/releases/armani/downloads" in page.read.links
    text = (await browser.get("/console/releases/armani/downloads")).text
    assert "This cannot be known." in text
    assert "Downloads begun 2,000 Downloads finished 1,960" in text
    assert "2025-12-02 1,000 980 2025-12-01 1,000 980" in text
    assert "Not known here: phones connect to a cache" in text  # where no polls are passed in
    assert "hening-device fleet --devices 100000 --hours 24 --stage 100%" in text


async def test_packs_page(world, team):
    """Packs have version, state, share, schedule and size; a sum shows what each phone fetches.

    Without packs the page explains them.
    """
    browser, now = await team.signed_in("viewer"), world.epoch()
    page = await browser.get("/console/content")
    assert "No pack is published." in page.text
    assert "--body 'en=TEXT' --source-name NAME --source-licence LICENCE" in page.text
    packs = {
        "notices": pack(3, start=now - DAY, rollout=[[now - DAY, 125], [now + DAY + 60, 1000]]),
        "features": pack(1, start=now + 3 * DAY + 60, rollout=[[now, 1000]]),
        "holidays": pack(2, start=now - 2 * DAY, end=now - DAY),
        "themes": pack(1, withdrawn=[1]),
    }
    entries = {
        "notices": {"first": NEWS},
        "features": {"first": NEWS},
        "holidays": entries_of("holidays"),
        "themes": {},
    }
    role, blobs = world.ceremony.packs("content", 2, entries, packs=packs)
    await asyncio.to_thread(world.submit, {("content", 2): role}, blobs)
    await team.services.publisher.process_incoming()
    text = (await browser.get("/console/content")).text
    text = text.replace("\xa0", " ")
    assert "notices version 3 A pack in use 12.5 % from" in text
    assert "100 % in 1 day" in text
    assert "features version 1 A pack to come no phone" in text
    assert "holidays version 2 A pack ended no phone" in text
    assert "themes version 1 A pack withdrawn no phone always" in text
    assert "in 10 files" in text  # 1 + 1 + 8, FORMATS section 15; none of what is withdrawn
    assert "hand-made 1, CC0-1.0" in text
    assert "1 notice News from 2026-01-05 on, before 2026-12-31 Where notices" in text
    assert text.count("News from") == 2  # of features, too
    command = (
        "hening-signer content build notices --source notices --version 4 --out packs/notices-4"
    )
    assert (
        f"--body 'en=TEXT' {command} hening-signer content release packs/notices-4 Run the commands"
        in text
    )
