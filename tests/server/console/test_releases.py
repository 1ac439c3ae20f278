"""Releases: each build of each model, as people know it."""

import asyncio

from server.console import rendering
from tests.server.ceremony import release
from tests.server.console.test_channels import DAY, PATH
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
    """Newest first: patch level, packages once each, channels with their share, and changelogs.

    The list of models has each with its newest build; a model without one says so.
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


async def test_a_halted_build_after_which_another_is_offered(world, team):
    """The page says when it was halted; a build that was never offered is not offered."""
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


async def test_a_withdrawn_build(world, team):
    """It stays listed, and the page says that it is withdrawn."""
    files = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    await asyncio.to_thread(world.submit, role)
    await team.services.publisher.process_incoming()
    text = (await (await team.signed_in("viewer")).get("/console/releases/armani")).text
    assert "armani/id/stable withdrawn" in text
    assert "armani-1.zip withdrawn" in text
