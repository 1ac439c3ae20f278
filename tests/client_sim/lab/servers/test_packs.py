"""Packs of the lab: of every kind, as server and phone want them, and what is done with them."""

import lzma

import pytest

from client_sim.content.kinds import KINDS
from client_sim.content.picture import check_picture
from client_sim.content.store import Store
from client_sim.lab.servers.contents import Contents
from client_sim.lab.servers.packs import (
    HISTORIES,
    PARTS,
    PICTURE,
    ROLES,
    describe_packs,
    encode_parts,
    make_bad_entry,
    make_entries,
    make_history,
    make_steps,
)
from client_sim.lab.servers.repository import Repository
from server.core.content.role import check_entries
from server.core.errors import FormatError

EVERY = tuple(PARTS)


@pytest.fixture(scope="module")
def stocked():
    """Give a repository with packs of every kind."""
    return Repository(kinds=EVERY)


def verdicts(phone):
    """Give what a phone thinks of the listed pack of each kind."""
    store = Store(phone.world.state)
    return {name: store.load(kind).verdict for name, kind in KINDS.items()}


def test_kinds_are_those_of_the_phone():
    """With the same roles and as many parts; one part of each, or none, changes with an edition."""
    assert {name: (kind.role, kind.parts) for name, kind in KINDS.items()} == {
        name: (ROLES[name], parts) for name, parts in PARTS.items()
    }
    for kind in EVERY:
        before, after = encode_parts(kind, 1), encode_parts(kind, 2)
        assert sum(one != other for one, other in zip(before, after, strict=True)) in {1, 2}


def test_a_phone_takes_every_kind_and_fetches_all_parts_at_once(make_phone, stocked):
    """72 parts in ten kinds, and no picture; the next poll asks for nothing."""
    phone = make_phone(stocked.serve())
    phone.poll(2)
    parts = [path for path in phone.asked[0] if path.endswith(".xz")]
    assert len(parts) == sum(PARTS.values()) == 72
    assert not [path for path in phone.asked[0] if path.endswith(".jpg")]
    assert set(verdicts(phone).values()) == {"ready"}
    assert phone.outcomes[0].warnings == ()
    assert len(phone.asked[1]) == 2


def test_a_bad_version_is_refused_by_the_phone(make_phone, stocked):
    """Its parts are fetched once, found bad, and not asked for again; what is used stays."""
    for kind in EVERY:
        phone = make_phone(stocked.serve(make_steps(("bad", "-", ""), kind)))
        phone.poll(3)
        assert verdicts(phone)[kind] == "bad", kind
        assert len(phone.asked[2]) == 2
        assert [bool(outcome.warnings) for outcome in phone.outcomes] == [False, True, False]
        phone.poll()
        assert verdicts(phone)[kind] == "ready"


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_done_with_a_pack_is_followed(make_phone, repository, name):
    """No poll fails; behind a withdrawal all four parts are fetched again, otherwise one."""
    phone = make_phone(repository.serve(make_history(name, "emergency")))
    phone.poll(4)
    assert [outcome.failure for outcome in phone.outcomes] == [None] * 4
    fetched = [sum(path.endswith(".xz") for path in asked) for asked in phone.asked]
    assert (
        fetched
        == {
            "to begin and to end, withdrawn, and followed": [5, 1, 0, 4],
            "withdrawn, and followed": [5, 0, 4, 1],
            "withdrawn and followed while phones sleep": [5, 1, 4, 1],
            "staged for nobody, then for all": [5, 1, 0, 1],
            "to begin and to end": [5, 1, 0, 1],
            "bad, followed, and bad again": [5, 1, 1, 1],
            "to come, or over": [5, 1, 1, 1],
            "bad, and withdrawn": [5, 1, 0, 4],
            "turned back to the first version": [5, 1, 0, 1],
        }[name]
    )
    turned_back = "turned back" in name
    assert any("is skipped" in w for o in phone.outcomes for w in o.warnings) == turned_back


def test_a_phone_that_slept_through_a_withdrawal_asks_as_one_that_was_awake(make_phone, repository):
    """The next version finds neither with a part; neither goes on with what was withdrawn."""
    asked = []
    for name, last in (
        ("withdrawn and followed while phones sleep", 2),
        ("to begin and to end, withdrawn, and followed", 3),
    ):
        phone = make_phone(repository.serve(make_history(name, "emergency")))
        phone.poll(last + 1)
        record = Store(phone.world.state).load(KINDS["emergency"])
        assert (record.listed.version, record.listed.withdrawn) == (3, (2,))
        assert 2 not in {pack.version for pack in (record.used, record.before) if pack}
        asked.append([path for path in phone.asked[last] if path.endswith(".xz")])
    assert asked[0] == asked[1]


def test_entries_are_small_good_ones_and_bad_ones_by_the_server_s_rules():
    """All packs together are a few kilobytes; an entry that is bad is not one of the good.

    The server takes the good and refuses the bad by its own rules, which the lab does not know.
    """
    assert sum(len(part) for kind in EVERY for part in encode_parts(kind, 1)) < 16_000
    check_picture(PICTURE, 64, 64)
    for kind in EVERY:
        assert make_entries(kind, 1) | make_bad_entry(kind) != make_entries(kind, 1)
    assert lzma.decompress(encode_parts("notices", 3)[0]).startswith(b'{"entries":{"notice-3":')
    for kind in EVERY:
        check_entries(kind, make_entries(kind, 1), ())
        with pytest.raises(FormatError):
            check_entries(kind, make_entries(kind, 1) | make_bad_entry(kind), ())


def test_what_is_listed_of_packs():
    """Wallpapers with their pictures; of a version what is said last holds.

    In whichever order a set of words would be gone through, which differs between processes.
    """
    _, targets = describe_packs("content", ("wallpapers",), Contents())
    assert sorted(targets) == [f"content/wallpapers/{n}" for n in ("00.xz", "dawn.jpg", "dusk.jpg")]
    for first, last, rollout in (
        ("for nobody", "for all", [[0, 1000]]),
        ("for all", "for nobody", [[0, 0]]),
    ):
        contents = Contents(packs=(("emergency", 1, first), ("emergency", 1, last)))
        index, _ = describe_packs("tables", ("emergency",), contents)
        assert index["packs"]["emergency"]["rollout"] == rollout
