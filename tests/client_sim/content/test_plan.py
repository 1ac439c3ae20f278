"""The choice of parts to fetch and of the pack to use, from records and indexes alone."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content.index import File, Origin, Pack
from client_sim.content.plan import (
    Record,
    RoleRecord,
    decode_record,
    decode_role_record,
    encode_record,
    encode_role_record,
    plan_listing,
    plan_parts,
    plan_rollback,
    plan_use,
)
from client_sim.device.errors import ContentError, StateError
from tests.cases import case

NOW = 1_000


def pack(version, parts="abcd", **changes):
    """Make a pack whose parts are named by letters."""
    good = Pack(
        version=version,
        title={"en": "Pack"},
        sources=(Origin("hand-made", "1", "CC0-1.0"),),
        start=0,
        end=None,
        rollout=((0, 1000),),
        withdrawn=(),
        parts=tuple(File(1, letter) for letter in parts),
        pictures={},
    )
    return replace(good, **changes)


def take(record, listed, verdict="ready"):
    """Return the record after a poll that fetched a listed pack, and the fetched parts."""
    record = plan_listing(record, listed)
    asked = [listed.parts[number].sha256 for number in plan_parts(record)]
    if not listed.is_withdrawn:
        record = replace(record, fetched=frozenset(f.sha256 for f in listed.parts))
        record = replace(record, verdict=verdict)
    return record, "".join(asked)


def use(record, now=NOW, place=0):
    """Return the record after the choice of a pack, for a time and a phone's place."""
    return plan_use(record, now, lambda _: place)


def versions(record):
    """Return the versions in use and before."""
    return tuple(pack and pack.version for pack in (record.used, record.before))


def test_parts_to_fetch():
    """After the first pack, only the parts that the previous one does not list are fetched.

    A bad pack is not fetched again under any version of its role, but the next pack is.
    """
    record, asked = take(Record(), pack(1, "abcd"))
    assert asked == "abcd"
    record, asked = take(record, pack(2, "abxd"))
    assert asked == "x"
    assert take(record, pack(2, "abxd"))[1] == ""
    assert take(record, pack(3, "abcd"))[1] == "c"
    bad, _ = take(Record(), pack(1), verdict="bad")
    assert take(bad, pack(1))[1] == ""
    assert versions(use(bad)) == (None, None)
    assert take(bad, pack(2, "abcx"))[1] == "x"


def test_fetched_parts_do_not_show_the_pack_in_use():
    """Phones at any place, with and without a rollback, fetch the same parts."""
    asked = set()
    for place, rolls_back in ((0, False), (0, True), (999, False)):
        record = use(take(Record(), pack(1, "abcd"))[0])
        record = use(take(record, pack(2, "abxd", rollout=((0, 500),)))[0], place=place)
        assert versions(record) == ((2, 1) if place == 0 else (1, None))
        if rolls_back:
            record = plan_rollback(record, NOW)
        asked.add(take(record, pack(3, "abcy"))[1])
    assert asked == {"cy"}


def test_fetched_parts_do_not_show_who_had_a_withdrawn_pack():
    """A withdrawn pack is not fetched, and after it all parts are."""
    had = take(take(Record(), pack(1))[0], pack(2, "abxd"))[0]
    had_not = take(Record(), pack(1))[0]
    asked = set()
    for record in (had, had_not):
        behind, nothing = take(record, pack(2, "abxd", withdrawn=(2,)))
        assert nothing == ""
        asked.add(take(behind, pack(3, "abxy"))[1])
    assert asked == {"abxy"}


def test_withdrawal_that_a_phone_missed():
    """The phone drops the pack with the next index, and fetches the same as all others."""
    had = use(take(use(take(Record(), pack(1))[0]), pack(2, "abxd"))[0])
    awake = use(take(had, pack(2, "abxd", withdrawn=(2,)))[0])
    next_one = pack(3, "abxy", rollout=((0, 0),), withdrawn=(2,))
    asked = set()
    for record in (had, awake):
        behind, fetched = take(record, next_one)
        asked.add(fetched)
        assert versions(use(behind)) == (1, None)
        again, fetched = take(use(behind), pack(4, "abxz", withdrawn=(2,)))
        assert (versions(use(again)), fetched) == ((4, 1), "z")
    assert asked == {"abxy"}


def test_withdrawal_of_earlier_versions():
    """The pack in use or the one before it is withdrawn by the index of a later one."""
    both = use(take(use(take(Record(), pack(1))[0]), pack(2, "abcx"))[0])
    third = pack(3, "abcy", rollout=((0, 0),))
    waits = use(take(both, third)[0], place=999)
    assert versions(waits) == (2, 1)
    for withdrawn, left in (((2,), (1, None)), ((1,), (2, None)), ((1, 2), (None, None))):
        record = plan_listing(waits, replace(third, withdrawn=withdrawn))
        assert versions(use(record, place=999)) == left
        assert plan_parts(record) == ()


def test_refused_changes_of_an_index():
    """An older version or other values of the same one are refused; a withdrawal is final."""
    record, _ = take(Record(), pack(2))
    for other in (pack(1), pack(2, "abcx"), pack(2, title={"en": "x"}), pack(2, start=1)):
        with pytest.raises(ContentError):
            plan_listing(record, other)
    plan_listing(record, pack(2, end=5, rollout=((1, 1),)))
    withdrawn, _ = take(Record(), pack(1, withdrawn=(1,)))
    withdrawn = plan_listing(withdrawn, pack(1))
    assert withdrawn.listed.is_withdrawn
    assert plan_parts(withdrawn) == ()


def test_start_and_share_of_a_pack():
    """A pack in use stays in use when the share falls."""
    first = take(Record(), pack(1, rollout=((0, 0), (NOW, 10))))[0]
    for now, place in ((NOW - 1, 0), (NOW, 10)):
        assert versions(use(first, now, place)) == (None, None)
    assert versions(use(first, NOW, 9)) == (1, None)
    record = take(use(first), pack(2, "abcx", start=2_000, rollout=((2_000, 10), (3_000, 20))))[0]
    assert versions(use(record, 1_999, 0)) == (1, None)
    assert versions(use(record, 2_000, 9)) == (2, 1)
    assert versions(use(record, 2_999, 10)) == (1, None)
    assert versions(use(record, 3_000, 10)) == (2, 1)
    stays = plan_listing(use(record, 2_000, 9), replace(record.listed, rollout=((0, 0),)))
    assert versions(use(stays, 2_000, 9)) == (2, 1)


def test_no_secret_without_a_ready_pack():
    """A phone without a ready pack makes no secret."""

    def refuse(_version):
        raise AssertionError

    early, _ = take(Record(), pack(1, start=NOW + 1))
    withdrawn, _ = take(Record(), pack(1, withdrawn=(1,)))
    for record in (Record(), early, withdrawn):
        assert versions(plan_use(record, NOW, refuse)) == (None, None)


def test_withdrawn_or_ended_pack():
    """The previous pack is used if it is still valid, otherwise none."""
    for change in ({"withdrawn": (2,)}, {"end": NOW}):
        both = use(take(use(take(Record(), pack(1))[0]), pack(2, "abcx"))[0])
        alone = use(take(Record(), pack(2))[0])
        ended = replace(both, before=pack(1, end=NOW))
        for held, parts, left in (
            (both, "abcx", (1, None)),
            (alone, "abcd", (None, None)),
            (ended, "abcx", (None, None)),
        ):
            with case(change, parts, left):
                listed = plan_listing(held, replace(pack(2, parts), **change))
                assert versions(use(listed)) == left


def test_rollback_by_the_owner():
    """The previous pack is used, and the other one never again, but its successor is."""
    both = use(take(use(take(Record(), pack(1))[0]), pack(2, "abcx"))[0])
    back = plan_rollback(both, NOW)
    assert versions(back) == versions(use(back)) == (1, None)
    assert versions(use(take(back, pack(3, "abcy"))[0])) == (3, 1)
    for alone in (back, Record(), use(take(Record(), pack(1))[0])):
        with pytest.raises(ContentError, match="no previous pack"):
            plan_rollback(alone, NOW)


def test_pack_used_before_its_start():
    """After the clock was set right, the previous pack is used until the start."""
    both = take(use(take(Record(), pack(1))[0]), pack(2, "abcx", start=NOW + 50))[0]
    ahead = use(both, NOW + 60)
    assert versions(ahead) == (2, 1)
    right = use(ahead)
    assert versions(right) == (1, None)
    assert versions(use(right, NOW + 50)) == (2, 1)
    alone = use(take(Record(), pack(1, start=NOW + 50))[0], NOW + 60)
    assert versions(use(alone)) == (None, None)
    assert versions(use(use(alone), NOW + 50)) == (1, None)


def test_parts_are_kept_for_two_packs_and_one_that_waits():
    """Parts of the packs in use, before and waiting are kept, and no others."""
    record = use(take(use(take(Record(), pack(1, "ab"))[0]), pack(2, "ac"))[0])
    waiting = take(record, pack(3, "ad", rollout=((0, 0),)))[0]
    assert waiting.files() == set("abcd")
    assert use(take(waiting, pack(4, "ae"))[0]).files() == set("ace")


PACKS = st.builds(
    pack,
    st.integers(1, 3),
    st.text("abcdef", min_size=1, max_size=3),
    withdrawn=st.sampled_from([(), (1,), (2,), (1, 3)]),
    start=st.sampled_from([0, 500]),
    end=st.none() | st.integers(501, 2_000),
    rollout=st.just(((0, 500),)),
)


@given(st.lists(st.tuples(PACKS, st.integers(0, 2_000)), max_size=8), st.integers(0, 999))
def test_history_of_indexes(history, place):
    """The pack in use is complete, neither withdrawn nor ended, and its parts are kept."""
    record = Record()
    for listed, now in history:
        try:
            record, _ = take(record, listed)
        except ContentError:
            continue
        record = use(record, now, place)
        assert decode_record(encode_record(record)) == record
        if record.used is not None:
            assert not record.used.is_withdrawn
            assert record.used.version not in record.listed.withdrawn
            assert record.used.start <= now
            assert record.used.end is None or now < record.used.end
            assert {file.sha256 for file in record.used.parts} <= record.files()


ROLE_RECORD = RoleRecord(7, {"zones": Record(), "apn": Record(verdict="bad")})


def seal(body):
    """Return lines after their hash."""
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_encoding_of_a_role_record():
    """The lines have the version, and each kind with its record in ascending order."""
    data = encode_role_record(ROLE_RECORD)
    bad, none = encode_record(Record(verdict="bad")), encode_record(Record())
    assert data == seal(b"7\napn " + bad + b"zones " + none)
    assert decode_role_record(data) == ROLE_RECORD


@given(st.integers(0, 600), st.integers(1, 255))
@settings(max_examples=50)
def test_changed_bytes_are_damage(place, change):
    """A changed byte anywhere is reported as damage."""
    data = bytearray(encode_role_record(ROLE_RECORD))
    data[place % len(data)] ^= change
    with pytest.raises(StateError, match="damaged"):
        decode_role_record(bytes(data))


def test_unreadable_role_records_are_damage():
    """Lines with the right hash that cannot be decoded are damage."""
    for body in (
        b"",
        b"x\n",
        b"1\nzones\n",
        b"1\nzones {}\n",
        b"1\n\xff " + encode_record(Record()),
    ):
        with case(body), pytest.raises(StateError, match="damaged"):
            decode_role_record(seal(body))


@given(st.binary(max_size=80))
@settings(max_examples=50)
def test_arbitrary_bytes_raise_only_state_error(data):
    """Arbitrary bytes raise no other error."""
    with pytest.raises(StateError, match="damaged"):
        decode_role_record(data)
