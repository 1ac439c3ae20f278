"""Items and collections: bound to their places, padded, and refused if they were changed."""

import os
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.cloud import wire
from client_sim.cloud.errors import CloudError, DeceivedError
from client_sim.cloud.keys import make_account_keys
from client_sim.cloud.records import (
    CUT,
    META_STEP,
    Revision,
    decode_item,
    encode_item,
    encode_uid,
    find_padded,
    make_collection,
    open_collection,
    pad,
    unpad,
)
from tests.cases import case

KEY, UID = bytes(range(32)), encode_uid(bytes(24))
NOTE = Revision(b"text", {"name": "title", "mtime": 1})


def write(revision=NOTE, uid=UID, key=KEY):
    """Encrypt a revision."""
    return encode_item(key, uid, revision, os.urandom)


def make(account):
    """Make a collection, also in the form in which the server returns it."""
    request, key = make_collection(account, "etebase.vcard", "Contacts", os.urandom)
    kind = request["collectionType"]
    found = wire.Collection(request["item"], 1, request["collectionKey"], kind)
    return key, found


def test_revision_round_trip():
    """Revisions of all lengths around padding and cutting are restored; pieces are not repeated."""
    for length in (0, 1, 1023, 1024, 20_000, CUT, CUT + 1, 3 * CUT, 200_000):
        with case(length):
            content = (b"x" * CUT * 4)[:length]
            item = write(replace(NOTE, content=content))
            assert decode_item((KEY,), item) == replace(NOTE, content=content)
            assert len({chunk.uid for chunk in item.content.chunks}) == len(item.content.chunks)


@given(st.integers(0, 1_000_000))
def test_padding_is_padme(length):
    """Lengths below 16 KiB are padded in steps of 1 KiB, longer ones by Padmé, at most 12 %."""
    padded = find_padded(length)
    if length < 1 << 14:
        assert padded % 1024 == 0
        assert 0 < padded - length <= 1024
    else:
        exponent = length.bit_length() - 1
        assert padded % (1 << (exponent - exponent.bit_length())) == 0
        assert length <= padded <= length * 1.12


@given(st.binary(max_size=5000))
def test_padding_round_trip(data):
    """Padding is removed, whatever the content ends with."""
    assert unpad(pad(data)) == data


def test_length_of_a_description_hides_the_title():
    """Titles of up to a step's length give equal lengths; other clients' members do not matter."""
    lengths = {
        len(write(replace(NOTE, meta={"name": "x" * count, "colour": 1})).content.meta)
        for count in range(150)
    }
    assert len(lengths) == 1
    assert (lengths.pop() - 24) % META_STEP == 0


def swap(item, **changed):
    """Return an item with members of its revision changed."""
    return msgspec.structs.replace(item, content=msgspec.structs.replace(item.content, **changed))


def test_changed_items_are_refused():
    """An item with any changed member or chunk, or of another name or key, is refused."""
    item, other = write(), write(replace(NOTE, content=b"else"))
    chunks = item.content.chunks
    flipped = bytes([chunks[0].body[40] ^ 1])
    damaged = chunks[0].body[:40] + flipped + chunks[0].body[41:]
    for changed in (
        msgspec.structs.replace(item, uid=encode_uid(b"\1" * 24)),
        msgspec.structs.replace(item, encryptionKey=b"k" * 72),
        swap(item, deleted=True),
        swap(item, uid=other.content.uid),
        swap(item, meta=other.content.meta),
        swap(item, chunks=[]),
        swap(item, chunks=[*chunks, *chunks]),
        swap(item, chunks=other.content.chunks),
        swap(item, chunks=[wire.Chunk(chunks[0].uid, other.content.chunks[0].body)]),
        swap(item, chunks=[wire.Chunk(chunks[0].uid, damaged)]),
        swap(item, chunks=[wire.Chunk(chunks[0].uid)]),
        write(key=b"\1" * 32),
    ):
        with pytest.raises(DeceivedError):
            decode_item((KEY,), changed)
    assert decode_item((KEY,), item) == NOTE
    former = b"\1" * 32  # of an interrupted rotation
    assert decode_item((former, KEY), item) == NOTE
    bodies = {chunk.uid: chunk.body for chunk in chunks}
    bare = swap(item, chunks=[wire.Chunk(uid) for uid in bodies])
    assert decode_item((KEY,), bare, bodies.__getitem__) == NOTE  # large chunks come separately


def test_collections_are_bound_to_account_and_type():
    """Another account, another type, and another collection's key or item are refused."""
    account = make_account_keys(os.urandom)
    key, found = make(account)
    kind = account.type_of("etebase.vcard")
    assert open_collection(account, kind, found) == (key,)
    _, other = make(account)
    for changed in (
        msgspec.structs.replace(found, collectionKey=other.collectionKey),
        msgspec.structs.replace(found, item=other.item),
        msgspec.structs.replace(found, collectionType=account.type_of("hening.sms")),
    ):
        with pytest.raises(DeceivedError):
            open_collection(account, kind, changed)
    with pytest.raises(DeceivedError, match="not yours"):
        open_collection(make_account_keys(os.urandom), kind, found)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_arbitrary_answers_raise_only_cloud_error(meta, body):
    """Arbitrary items raise only `CloudError`."""
    item = wire.Item(
        UID, 1, wire.Content("A" * 22, meta, [wire.Chunk("A" * 43, body)], deleted=False)
    )
    with pytest.raises(CloudError):
        decode_item((KEY,), item)
