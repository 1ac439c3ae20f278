"""Content packs: what phones fetch, and from when on they use it."""

import asyncio

from tests.server.core.content.samples import NEWS, entries_of, pack

DAY = 86_400


async def test_packs(world, team):
    """Version, state, share, schedule and size; what a phone fetches is the sum.

    Without packs the page says what they are for.
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
