"""Differences between snapshots, and between maps of dialects, in pieces of limited size."""

import random
from dataclasses import replace
from functools import partial

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.compat.lists import Lists
from server.compat.pages import GONE, Page, make_page
from server.compat.rendering import Rendered
from server.device.documents import make_document
from server.device.snapshot import EMPTY, Snapshot
from server.http.answers import Package
from server.processes.delta import (
    NAMES,
    PIECE,
    Assembly,
    ListPiece,
    Piece,
    Whole,
    add_piece,
    make_lists,
    plan_delta,
    plan_lists,
)
from server.processes.messages import LIMIT, encode_message

NAME = st.sampled_from([f"/metadata/{number}.x.json" for number in range(12)])
DOCUMENT = st.binary(max_size=8).map(partial(make_document, "/metadata/1.x.json", mutable=False))
SNAPSHOT = st.builds(
    Snapshot,
    version=st.integers(0, 9),
    root=st.integers(0, 9),
    documents=st.dictionaries(NAME, DOCUMENT),
    packages=st.dictionaries(NAME, st.builds(Package, st.text(max_size=4), st.integers(0, 9))),
    withdrawn=st.frozensets(NAME),
    current=st.dictionaries(NAME, st.integers(0, 9)),
    missing=st.frozensets(NAME),
)


def through_a_channel(pieces):
    """Return the pieces as another process receives them."""
    decoder = msgspec.msgpack.Decoder(Piece)
    return [decoder.decode(encode_message(piece)[4:]) for piece in pieces]


def apply_delta(before, pieces, whole):
    """Return the snapshot that a worker makes of `before` and the pieces."""
    assembly = Assembly(before)
    for piece in pieces:
        assembly.add(piece)
    return assembly.finish(whole)


@given(SNAPSHOT, SNAPSHOT)
def test_delta_between_any_two_snapshots(before, after):
    """The pieces turn any snapshot into any other one, and `before` stays unchanged."""
    kept = msgspec.msgpack.encode(before.documents)
    pieces = through_a_channel(plan_delta(before, after))
    assert apply_delta(before, pieces, Whole(after.version, after.root)) == after
    assert msgspec.msgpack.encode(before.documents) == kept


@given(SNAPSHOT)
def test_equal_snapshots_have_no_pieces(snapshot):
    """Equal snapshots have no pieces."""
    again = replace(snapshot, documents=dict(snapshot.documents))
    assert list(plan_delta(snapshot, again)) == []


def snapshot(documents):
    """Return a snapshot with documents only."""
    return replace(EMPTY, version=1, documents=documents)


def test_only_changed_documents_are_sent():
    """An unchanged document is not sent, and stays the same object."""
    documents = {
        f"/metadata/{n}.x.json": make_document("/metadata/1.x.json", b"%d" % n, mutable=False)
        for n in range(1000)
    }
    before = snapshot(documents)
    changed = make_document("/metadata/timestamp.json", b"new", mutable=True)
    after = snapshot({**documents, "/metadata/timestamp.json": changed})
    (piece,) = plan_delta(before, after)
    assert list(piece.documents) == ["/metadata/timestamp.json"]
    made = apply_delta(before, through_a_channel([piece]), Whole(2, 0))
    assert all(made.documents[name] is document for name, document in documents.items())


def test_large_snapshot_is_sent_in_pieces():
    """A piece does not exceed its limit much, unless it has a single large file."""
    large = make_document("/log/tile/0/000", bytes(3 * PIECE), mutable=False)
    small = make_document("/log/tile/0/001", bytes(1000), mutable=False)
    documents = {f"/log/tile/0/{n:03}": large if n % 100 == 7 else small for n in range(1000)}
    names = frozenset(f"/metadata/{n}.x.json" for n in range(3 * NAMES))
    after = replace(snapshot(documents), withdrawn=names)
    pieces = list(plan_delta(EMPTY, after))
    for piece in pieces:
        assert len(piece.documents) <= 1 or len(encode_message(piece)) < PIECE * 1.5
    assert len([piece for piece in pieces if piece.withdrawn]) == 3
    assert apply_delta(EMPTY, pieces, Whole(1, 0)) == after


def test_largest_file_fits_into_a_message():
    """Five million incompressible bytes in both codings fit into a message."""
    data = random.Random(4).randbytes(5_000_000)
    document = make_document("/metadata/1.x.json", data, mutable=False)
    (piece,) = plan_delta(EMPTY, snapshot({"/metadata/1.x.json": document}))
    assert len(encode_message(piece)) < LIMIT


def test_served_snapshot_is_unchanged_during_a_delta():
    """Until the last piece arrives, the former snapshot is unchanged."""
    one, other = (make_document("/log/checkpoint", text, mutable=True) for text in (b"1", b"2"))
    before = snapshot({"/log/checkpoint": one})
    assembly = Assembly(before)
    assembly.add(Piece(documents={"/log/checkpoint": other}, no_documents=()))
    assert before.documents == {"/log/checkpoint": one}
    assert assembly.finish(Whole(2, 0)).documents == {"/log/checkpoint": other}


PATH = st.sampled_from([f"/graphene/FP4-{number}" for number in range(9)])
PAGE = st.binary(max_size=8).map(lambda body: make_page("text/plain", body))
PACKAGE = st.builds(Package, st.text(max_size=4), st.integers(0, 9))
CONTENTS = st.dictionaries(PATH, PAGE | PACKAGE | st.just(GONE))
CHANGES = st.dictionaries(
    st.integers(1, 9), st.dictionaries(PATH, st.none() | PAGE, min_size=1)
).map(lambda found: tuple(sorted(found.items(), key=lambda each: each[0])))
RENDERED = st.builds(Rendered, contents=CONTENTS, changes=CHANGES)


def received(rendered):
    """Return the map that another process makes of the pieces."""
    decoder, lists = msgspec.msgpack.Decoder(ListPiece), Lists()
    for piece in plan_lists(rendered):
        add_piece(lists, decoder.decode(encode_message(piece)[4:]))
    return lists


@given(RENDERED)
def test_any_map_of_lists_round_trips(rendered):
    """Any map's contents and changes arrive, directly and through a channel."""
    lists = received(rendered)
    assert lists == make_lists(rendered)
    assert lists.contents == rendered.contents
    assert tuple(lists.changes) == rendered.changes
    pages = [path for path, each in rendered.contents.items() if isinstance(each, Page)]
    assert list(lists.lines) == [f"GET {path} HTTP/1.1".encode() for path in pages]
    for now in range(10):
        lists.follow(now)
        assert lists.contents == rendered.at(now)


def test_large_map_of_lists_is_sent_in_pieces():
    """A map of thousands of lists that change at once is sent in many pieces."""
    page, other = make_page("text/plain", bytes(2_000)), make_page("text/plain", b"")
    paths = [f"/graphene/FP{number}-stable" for number in range(3 * NAMES)]
    half = paths[: len(paths) // 2]
    change = {**dict.fromkeys(half, other), **dict.fromkeys(paths[len(half) :])}
    rendered = Rendered(contents=dict.fromkeys(paths, page), changes=((7, change),))
    sizes = [len(encode_message(piece)) for piece in plan_lists(rendered)]
    assert max(sizes) < PIECE + 100 * NAMES
    assert received(rendered).changes == [(7, change)]
