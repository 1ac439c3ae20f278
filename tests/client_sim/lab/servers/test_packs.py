"""Packs of the simulated repository: every kind, bad versions, and histories."""

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
    """Return a repository with packs of every kind."""
    return Repository(kinds=EVERY)


def verdicts(phone):
    """Return a phone's verdict on the listed pack of each kind."""
    store = Store(phone.world.state)
    return {name: store.load(kind).verdict for name, kind in KINDS.items()}


def test_kinds_are_those_of_the_phone():
    """They have the same roles and numbers of parts; a new version changes one or two parts."""
    assert {name: (kind.role, kind.parts) for name, kind in KINDS.items()} == {
        name: (ROLES[name], parts) for name, parts in PARTS.items()
    }
    for kind in EVERY:
        before, after = encode_parts(kind, 1), encode_parts(kind, 2)
        assert sum(one != other for one, other in zip(before, after, strict=True)) in {1, 2}


def test_phone_fetches_all_parts_in_its_first_poll(make_phone, stocked):
    """72 parts of ten kinds, and no picture; the next poll fetches none."""
    phone = make_phone(stocked.serve())
    phone.poll(2)
    parts = [path for path in phone.asked[0] if path.endswith(".xz")]
    assert len(parts) == sum(PARTS.values()) == 72
    assert not [path for path in phone.asked[0] if path.endswith(".jpg")]
    assert set(verdicts(phone).values()) == {"ready"}
    assert phone.outcomes[0].warnings == ()
    assert len(phone.asked[1]) == 2


def test_phone_refuses_bad_versions(make_phone, stocked):
    """It fetches their parts once; the next version is accepted."""
    for kind in EVERY:
        phone = make_phone(stocked.serve(make_steps(("bad", "-", ""), kind)))
        phone.poll(3)
        assert verdicts(phone)[kind] == "bad", kind
        assert len(phone.asked[2]) == 2
        assert [bool(outcome.warnings) for outcome in phone.outcomes] == [False, True, False]
        phone.poll()
        assert verdicts(phone)[kind] == "ready"


@pytest.mark.parametrize("name", HISTORIES)
def test_phone_follows_the_history_of_a_pack(make_phone, repository, name):
    """No poll fails; after a withdrawal all four parts are fetched again, otherwise one."""
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


def test_phone_that_missed_a_withdrawal(make_phone, repository):
    """It fetches the parts that other phones fetch, and uses none of the withdrawn version."""
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


def test_packs_are_small():
    """All packs together are a few kilobytes; versions differ in their entries."""
    assert sum(len(part) for kind in EVERY for part in encode_parts(kind, 1)) < 16_000
    check_picture(PICTURE, 64, 64)
    assert lzma.decompress(encode_parts("notices", 3)[0]).startswith(b'{"entries":{"notice-3":')


def test_server_accepts_the_entries_and_refuses_the_bad_ones():
    """By its own rules, which the lab does not share."""
    for kind in EVERY:
        check_entries(kind, make_entries(kind, 1), ())
        with pytest.raises(FormatError):
            check_entries(kind, make_entries(kind, 1) | make_bad_entry(kind), ())


def test_targets_and_index_of_packs():
    """Wallpapers are listed with their pictures; the last description of a version counts."""
    _, targets = describe_packs("content", ("wallpapers",), Contents())
    assert sorted(targets) == [f"content/wallpapers/{n}" for n in ("00.xz", "dawn.jpg", "dusk.jpg")]
    for first, last, rollout in (
        ("for nobody", "for all", [[0, 1000]]),
        ("for all", "for nobody", [[0, 0]]),
    ):
        contents = Contents(packs=(("emergency", 1, first), ("emergency", 1, last)))
        index, _ = describe_packs("tables", ("emergency",), contents)
        assert index["packs"]["emergency"]["rollout"] == rollout
