"""The list of content packs."""

import asyncio

from tests.server.core.content.samples import NEWS, entries_of, pack


async def test_packs_of_both_roles(api, world):
    """Packs are listed by role and kind, with sizes of parts and of pictures."""
    assert (await api.call("GET", "/content", token="viewer")).json == {"items": []}
    now = world.epoch()
    notices = pack(3, start=5, end=now, rollout=[[7, 10], [9, 1000]])
    second = {name: value for name, value in NEWS.items() if name != "end"}
    second["published"] = "2026-02-01"
    entries = {"wallpapers": entries_of("wallpapers"), "notices": {"first": NEWS, "second": second}}
    content, blobs = world.ceremony.packs("content", 2, entries, packs={"notices": notices})
    tables, others = world.ceremony.packs("tables", 2, {"emergency": entries_of("emergency")})
    roles = {("content", 2): content, ("tables", 2): tables}
    await asyncio.to_thread(world.submit, roles, [*blobs, *others])
    await api.services.publisher.process_incoming()
    items = (await api.call("GET", "/content", token="viewer")).json["items"]
    assert [(item["role"], item["kind"], item["parts"]) for item in items] == [
        *[("tables", "emergency", 4), ("content", "notices", 1), ("content", "wallpapers", 1)]
    ]
    shown = items[1]
    assert (shown["version"], shown["start"], shown["end"]) == (3, 5, now)
    assert shown["rollout"] == [{"from": 7, "permille": 10}, {"from": 9, "permille": 1000}]
    assert not shown["withdrawn"]
    title = {"en": "News", "id": "Kabar"}
    assert shown["news"] == [
        {"key": "second", "title": title, "published": "2026-02-01", "end": None},
        {"key": "first", "title": title, "published": "2026-01-05", "end": "2026-12-31"},
    ]
    assert items[2]["news"] == []
    assert items[0]["length"] == sum(map(len, others))
    assert (items[2]["pictures"], items[1]["pictures"]) == (len(entries["wallpapers"]), 0)
    assert items[2]["length"] < sum(map(len, blobs))
