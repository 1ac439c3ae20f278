"""Pagination by key."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def walk(toys, query):
    """Follow `next` from the first page; return all names, and each page's size."""
    names, sizes, path = [], [], f"/toys{query}"
    while path is not None:
        page = (await toys.call("GET", path)).json
        names += [item["name"] for item in page["items"]]
        sizes.append(len(page["items"]))
        path = page["next"] and page["next"].removeprefix("/api/v1")
        assert path is None or path.startswith("/toys?")
    return names, sizes


async def test_every_item_once(toys):
    """Pages of any size have all 450 items in order; the last page has no `next`."""
    for query, sizes in (
        ("", [50] * 9),
        ("?limit=200", [200, 200, 50]),
        ("?limit=199", [199, 199, 52]),
        ("?limit=150", [150, 150, 150]),
    ):
        names, found = await walk(toys, query)
        assert names == [f"toy {n}" for n in range(450)]
        assert found == sizes


async def test_next_keeps_the_filters(toys):
    """`next` keeps the filters and the limit of the first request."""
    page = (await toys.call("GET", "/toys?colour=green&limit=7&old=true")).json
    assert page["next"].startswith("/api/v1/toys?")
    assert {"colour=green", "limit=7", "old=true"} <= set(page["next"].partition("?")[2].split("&"))
    following = (await toys.call("GET", page["next"].removeprefix("/api/v1"))).json
    assert {item["colour"] for item in following["items"]} == {"green"}
    assert following["items"][0]["name"] == "toy 7"
