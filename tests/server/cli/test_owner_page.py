"""The page for owners: what phones request now, as one file without external resources."""

import re

import pytest

from server.compat.options import SENTENCE
from server.core.errors import FormatError
from server.owner_page import render_owner_page
from server.publisher.publisher import Publisher
from tests.server.core.content.samples import NEWS, pack

URL = "https://updates.rom.example"


def test_pack_requests_are_listed_in_order(world, run, tmp_path):
    """Requests for packs are listed by role and kind; a withdrawn pack is not."""
    entries = {"notices": {"first": NEWS}, "features": {"first": NEWS}, "themes": {}}
    role, blobs = world.ceremony.packs(
        "content", 2, entries, packs={"themes": pack(1, withdrawn=[1])}
    )
    assert world.publish({("content", 2): role}, blobs).reason == ""
    page = tmp_path / "page.html"
    status, out, _ = run("owner-page", "--state", world.folder.root, "--url", URL, "--out", page)
    assert (status, out) == (0, f"{page} shows what phones send to {URL} now.\n")
    text = page.read_text()
    asked = re.findall("<dt>GET (.*)</dt>", text)
    assert asked[2:5] == [
        *("/metadata/4.snapshot.json", "/metadata/1.targets.json", "/metadata/2.latest.json"),
    ]
    kinds = [path.split("/")[3] for path in asked if path.startswith("/targets/")]
    assert kinds == ["features", "notices"]
    assert "2 models are served here: armani, cancro." in text
    assert "src=" not in text
    assert "href=" not in text


def test_dialects_are_mentioned(world):
    """If dialects are configured, the page says what they mean for the privacy promise."""
    published, now = world.published(), world.now()
    assert SENTENCE in render_owner_page(published, URL, now, has_dialects=True)
    assert SENTENCE not in render_owner_page(published, URL, now)


@pytest.mark.parametrize("url", ["updates.rom.example", "https://rom.example/x", "ftp://a"])
def test_invalid_addresses_are_refused(world, url):
    """An invalid host is refused, because owners see it."""
    with pytest.raises(FormatError, match="give https://HOST"):
        render_owner_page(world.published(), url, world.now())


def test_missing_address_or_publication(world, fresh_state, run, tmp_path):
    """Without an address or a publication, the error says what to do."""
    options = ("--out", tmp_path / "page.html")
    status, _, error = run("owner-page", "--state", world.folder.root, *options)
    assert (status, "--url" in error) == (1, True)
    fresh = fresh_state.copy(tmp_path / "fresh")
    fresh.run(Publisher.process_incoming)  # makes the database
    status, _, error = run("owner-page", "--state", fresh.folder.root, "--url", URL, *options)
    assert (status, "nothing is published yet" in error) == (1, True)
    assert not (tmp_path / "page.html").exists()
