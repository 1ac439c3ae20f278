"""The dialects' map in pieces: any map arrives whole, and no piece is large."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.compat.lists import Lists
from server.compat.pages import GONE, Page, make_page
from server.compat.rendering import Rendered
from server.http.answers import Package
from server.processes.delta import NAMES, PIECE
from server.processes.dialect_pieces import ListPiece, add_piece, make_lists, plan_lists
from server.processes.messages import encode_message

PATH = st.sampled_from([f"/graphene/FP4-{number}" for number in range(9)])
PAGE = st.binary(max_size=8).map(lambda body: make_page("text/plain", body))
PACKAGE = st.builds(Package, st.text(max_size=4), st.integers(0, 9))
CONTENTS = st.dictionaries(PATH, PAGE | PACKAGE | st.just(GONE))
CHANGES = st.dictionaries(
    st.integers(1, 9), st.dictionaries(PATH, st.none() | PAGE, min_size=1)
).map(lambda found: tuple(sorted(found.items(), key=lambda each: each[0])))
RENDERED = st.builds(Rendered, contents=CONTENTS, changes=CHANGES)


def received(rendered):
    """Return the map as another process makes it of the pieces."""
    decoder, lists = msgspec.msgpack.Decoder(ListPiece), Lists()
    for piece in plan_lists(rendered):
        add_piece(lists, decoder.decode(encode_message(piece)[4:]))
    return lists


@given(RENDERED)
def test_any_map_arrives(rendered):
    """Contents and changes are the same, through a channel and in this process."""
    lists = received(rendered)
    assert lists == make_lists(rendered)
    assert lists.contents == rendered.contents
    assert tuple(lists.changes) == rendered.changes
    pages = [path for path, each in rendered.contents.items() if isinstance(each, Page)]
    assert list(lists.lines) == [f"GET {path} HTTP/1.1".encode() for path in pages]
    for now in range(10):
        lists.follow(now)
        assert lists.contents == rendered.at(now)


def test_no_piece_is_large():
    """A map of thousands of lists, which all change in one second, comes in many pieces."""
    page, other = make_page("text/plain", bytes(2_000)), make_page("text/plain", b"")
    paths = [f"/graphene/FP{number}-stable" for number in range(3 * NAMES)]
    half = paths[: len(paths) // 2]
    change = {**dict.fromkeys(half, other), **dict.fromkeys(paths[len(half) :])}
    rendered = Rendered(contents=dict.fromkeys(paths, page), changes=((7, change),))
    sizes = [len(encode_message(piece)) for piece in plan_lists(rendered)]
    assert max(sizes) < PIECE + 100 * NAMES
    assert received(rendered).changes == [(7, change)]
