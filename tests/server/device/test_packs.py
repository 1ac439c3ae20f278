"""Parts and pictures over HTTP: paths, types and caching on both paths."""

import hashlib

import pytest

from server.device.gate import is_path
from tests.server.core.content.samples import PICTURE, entries_of
from tests.server.device.served import request, serve
from tests.server.device.test_fast_path import GZIP, BothPaths

DIGEST = "0" * 64
PACKS = {"content": ["wallpapers", "themes", "notices"], "tables": ["zones", "emergency"]}


@pytest.fixture(scope="module")
def packs(published_state, tmp_path_factory):
    """Publish packs of both roles and serve them."""
    world = published_state.copy(tmp_path_factory.mktemp("packs") / "state")
    for role, kinds in PACKS.items():
        data, blobs = world.ceremony.packs(role, 2, {kind: entries_of(kind) for kind in kinds})
        assert world.publish({(role, 2): data}, blobs).reason == ""
    with serve(world.folder) as served:
        yield served


def paths(served):
    """Return the paths of parts and pictures."""
    snapshot = served.plane.served.snapshot
    return [path for path in snapshot.packages if path.endswith((".xz", ".jpg"))]


def test_all_parts_and_pictures_are_served(packs):
    """Parts and pictures have their type and are cached for a year.

    A valid path without a file gives 404.
    """
    assert packs.get(f"/targets/tables/zones/{DIGEST}.03.xz", GZIP).status == 404
    assert len(paths(packs)) == 16 + 4 + 3 + 1
    for path in paths(packs):
        answer = packs.get(path, GZIP)
        sha256 = hashlib.sha256(answer.body).hexdigest()
        kind = "image/jpeg" if path.endswith(".jpg") else "application/octet-stream"
        assert (answer.status, answer["Content-Type"]) == (200, kind)
        assert f"/{sha256}." in path
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer["ETag"] == f'"sha256-{sha256}"'
        assert answer["Content-Encoding"] is None
        head = packs.get(path, GZIP, method="HEAD")
        assert (head.status, head.body, head["Content-Type"]) == (200, b"", kind)
        if kind == "image/jpeg":
            assert answer.body == PICTURE


def test_both_paths_give_the_same_bytes(packs):
    """The fast path and aiohttp send the same bytes."""
    with BothPaths(packs) as both:
        for path in paths(packs):
            for lines in ([GZIP], [], [b"Range: bytes=0-9"], [b"If-None-Match: *"]):
                fast, slow = both.ask(request(path, *lines))
                assert fast == slow, (path, lines)


def test_valid_paths_of_packs(packs):
    """Only these forms of paths are valid below tables and content."""
    assert packs.get(f"/targets/tables/zones/{DIGEST}.a.zip", GZIP).status == 400
    for path, known in (
        ("tables/zones/{}.03.xz", True),
        ("content/wallpapers/{}.00.xz", True),
        ("content/wallpapers/{}.sea-at-dawn.jpg", True),
        ("content/notices/{}.a.jpg", False),
        ("tables/wallpapers/{}.a.jpg", False),
        ("tables/notices/{}.00.xz", False),
        ("content/zones/{}.00.xz", False),
        ("tables/zones/{}.3.xz", False),
        ("tables/zones/{}.003.xz", False),
        ("tables/zones/{}.03.zip", False),
        ("tables/zones/{}.a.zip", False),
        ("content/id/{}.wallpapers.zip", False),
        ("content/wallpapers/{}.A.jpg", False),
        ("content/wallpapers/{}.a.jpeg", False),
        ("content/wallpapers/{}.-.jpg", False),
        ("content/wallpapers/{}.a.b.jpg", False),
        ("content/wallpapers/id/{}.a.jpg", False),
    ):
        assert is_path(f"/targets/{path.format(DIGEST)}") is known, path
