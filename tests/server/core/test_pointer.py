import msgspec
import pytest
from hypothesis import given

from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel
from server.core.pointer import (
    check_agreement,
    decode_pointer,
    encode_pointer,
    find_upgrade_path,
    offered_in,
)
from server.core.release import decode_release
from tests.cases import case, refuse_each
from tests.server.core.test_release import DELTA, FULL, build
from tests.server.core.tuf_objects import ABC
from tests.strategies import integers, pointers

PATH = "latest/armani/id/stable"
CHANNEL = Channel("armani", "id", "stable")
FULL_PACKAGE = {"p": "armani/id/stable/full.zip", "z": 3, "x": ABC, "b": []}
DELTA_PACKAGE = FULL_PACKAGE | {"p": "armani/id/stable/delta.zip", "b": DELTA["source_builds"]}
STEP = {"n": 3, "t": 1_767_225_600, "l": "2026-01-05", "m": 0, "k": [FULL_PACKAGE, DELTA_PACKAGE]}
SCHEDULE = [[100, 10], [200, 500], [300, 1000]]
POINTER = {"v": 1, "s": [STEP], "r": SCHEDULE, "p": False, "h": False, "t": {}}
NON_INTEGERS = [True, False, 1.0, "1", None, [], -1, 2**53, 10**30, "\u0661"]


def with_step(**changes):
    """Return the pointer with its step changed."""
    return POINTER | {"s": [STEP | changes]}


def with_package(**changes):
    """Return the pointer with its full package changed."""
    return with_step(k=[FULL_PACKAGE | changes])


@given(pointers())
def test_pointer_round_trip(custom):
    """Every pointer of FORMATS section 4 decodes, and encodes to the same value."""
    pointer = decode_pointer(PATH, custom)
    assert encode_pointer(pointer) == custom
    assert decode_pointer(PATH, encode_pointer(pointer)) == pointer


def test_members_are_decoded_into_attributes():
    """Each short key is decoded into its attribute."""
    pointer = decode_pointer(PATH, POINTER | {"h": True, "t": {"en": "Stopped."}, "later": 1})
    step = pointer.steps[0]
    assert (pointer.halted, pointer.paused, pointer.reason) == (True, False, {"en": "Stopped."})
    assert (step.counter, step.post_timestamp, step.min_counter) == (3, 1_767_225_600, 0)
    assert [package.type for package in step.packages] == ["full", "incremental"]
    assert (step.packages[0].path, step.packages[0].length) == ("armani/id/stable/full.zip", 3)


def test_unknown_schemas_are_refused():
    """Any other schema than the integer 1 is refused."""
    for version in (0, 2, True, 1.0, "1", None):
        with case(version), pytest.raises(FormatError) as caught:
            decode_pointer(PATH, POINTER | {"v": version})
        assert f"schema {str(version)!r}" in str(caught.value)


def read(custom):
    """Decode a pointer."""
    return decode_pointer(PATH, custom)


def test_every_member_is_required():
    """A pointer, step or package without any of its members is refused."""

    def without(part):
        return [{k: v for k, v in part.items() if k != member} for member in part]

    refuse_each(FormatError, read, without(POINTER))
    refuse_each(FormatError, read, [POINTER | {"s": [rest]} for rest in without(STEP)])
    refuse_each(FormatError, read, [with_step(k=[rest]) for rest in without(FULL_PACKAGE)])


def test_non_integers_are_refused():
    """Booleans, floats, texts, negative and too large numbers are refused everywhere.

    The counter of the last complete build must be below that of the final step.
    """
    for value in NON_INTEGERS:
        steps = [with_step(n=value), with_step(t=value), with_step(m=value), with_package(z=value)]
        pairs = [POINTER | {"r": [pair]} for pair in ([value, 10], [100, value])]
        refuse_each(FormatError, read, steps + pairs)
    refuse_each(FormatError, read, [POINTER | {"c": value} for value in (*NON_INTEGERS, 0, 3, 4)])


def test_malformed_members_are_refused():
    """Each row breaks a line of the tables in FORMATS section 4."""
    full, delta = FULL_PACKAGE, DELTA_PACKAGE
    steps = [
        *([], [STEP | {"n": n} for n in range(1, 10)], [STEP, STEP], [STEP, STEP | {"n": 2}]),
        {"0": STEP},
    ]
    schedules = [
        *([], [[n, 0] for n in range(17)], [[100]], [[100, 10, 1]], [[100, 1001]]),
        *([[100, 10], [100, 20]], [[200, 10], [100, 20]], [[100, 20], [200, 10]]),
        [{"from": 100, "permille": 10}],
    ]
    reasons = [
        *([], {"EN": "x"}, {"en": "x" * 501}, {"en": 1}),
        {f"aa-{number:04}": "x" for number in range(65)},
    ]
    packages = [
        *([], [delta], [delta, full], [full, full], [full, delta, full], [full, *[delta] * 3]),
        *([full, delta | {"b": sources}] for sources in (["a b"], ["a"] * 9)),
    ]
    paths = [
        *("dior/id/stable/full.zip", "armani/eu/stable/full.zip", "armani/id/beta/full.zip"),
        *("armani/id/stable/../full.zip", "armani/id/stable/full.apk", "full.zip", 1),
        "armani/id/stable/x/full.zip",
    ]
    bad = [
        *(POINTER | {"s": each} for each in steps),
        *(POINTER | {"r": each} for each in schedules),
        *(POINTER | {"t": each} for each in reasons),
        *(POINTER | {"p": each} for each in (0, "false")),
        *(POINTER | {"h": each} for each in (1, None)),
        *(with_step(l=day) for day in ("2026-02-29", "2026-01-05\n", 20260105)),
        *(with_step(n=0), with_step(m=3), with_step(m=4), with_package(z=0), with_package(b=None)),
        *(with_step(k=each) for each in packages),
        *(with_package(x=each) for each in (ABC.upper(), ABC[:-1], ABC + "\n")),
        *(with_package(p=each) for each in paths),
    ]
    refuse_each(FormatError, read, bad)


def test_values_at_the_limits_are_accepted():
    """Eight steps, sixteen pairs, three packages and the longest texts are accepted."""
    step = STEP | {"k": [FULL_PACKAGE, DELTA_PACKAGE, DELTA_PACKAGE], "m": 0}
    custom = POINTER | {
        "s": [step | {"n": n} for n in range(1, 9)],
        "r": [[n, 1000] for n in range(16)],
        "t": {f"aa-{number:04}": "x" * 500 for number in range(64)},
    }
    assert len(decode_pointer(PATH, custom).steps) == 8


def test_pointers_at_other_paths_are_refused():
    """A pointer at another path is refused."""
    bad = ["armani/id/stable", "latest/armani/id", "latest/root/id/stable", "latest", ""]
    refuse_each(FormatError, lambda path: decode_pointer(path, POINTER), bad)


def test_share_of_the_current_step():
    """The share is that of the last pair that has begun, and 0 before the first.

    From 1000 on a build is complete, unless it is halted.
    """
    shares = {0: 0, 99: 0, 100: 10, 199: 10, 200: 500, 300: 1000, 2**53: 1000}
    assert {now: read(POINTER).permille_at(now) for now in shares} == shares
    assert [read(POINTER).is_complete_at(now) for now in (299, 300)] == [False, True]
    assert not read(POINTER | {"h": True}).is_complete_at(300)


@given(pointers(), integers, integers)
def test_share_never_decreases(custom, one, other):
    """A pointer's share never decreases with time."""
    pointer = decode_pointer(PATH, custom)
    assert pointer.permille_at(min(one, other)) <= pointer.permille_at(max(one, other))


def test_undecodable_pointers_are_not_encoded():
    """A value out of range cannot be encoded."""
    pointer = read(POINTER)
    for schedule in ([(0, 1001)], [], [(-1, 5)]):
        with pytest.raises(FormatError, match="cannot be written"):
            encode_pointer(msgspec.structs.replace(pointer, schedule=schedule))


RELEASES = {
    FULL_PACKAGE["p"]: decode_release(FULL_PACKAGE["p"], FULL),
    DELTA_PACKAGE["p"]: decode_release(DELTA_PACKAGE["p"], DELTA),
}
FILES = dict.fromkeys(RELEASES, (3, ABC))


def test_package_that_differs_from_its_role_is_refused():
    """A package must have the same values as in its role."""
    pointer, full, delta = read(POINTER), FULL_PACKAGE["p"], DELTA_PACKAGE["p"]
    for listed, files in (
        *(({}, FILES), (RELEASES, {}), ({full: RELEASES[full]}, FILES)),
        *((RELEASES, FILES | {delta: (4, ABC)}), (RELEASES, FILES | {full: (3, "0" * 64)})),
    ):
        with pytest.raises(ReleaseError, match="does not list with"):
            check_agreement(CHANNEL, pointer, listed, files)
    other = "Hening/armani/armani:14/A/1"
    for changes in (
        *({"counter": 4}, {"post_timestamp": 1}, {"security_patch_level": "2026-01-06"}),
        *({"min_counter": 1}, {"source_builds": [other]}, {"source_builds": [], "type": "full"}),
        {"source_builds": [*DELTA["source_builds"], other]},
    ):
        listed = RELEASES | {delta: decode_release(delta, DELTA | changes)}
        with case(changes), pytest.raises(ReleaseError, match=r"describe .* differently"):
            check_agreement(CHANNEL, pointer, listed, FILES)


def test_last_complete_build_needs_a_full_package():
    """The last complete build needs a full package that is not withdrawn.

    This holds for a halted pointer, too.
    """
    path = "armani/id/stable/before.zip"
    pointer = decode_pointer(PATH, POINTER | {"c": 2, "h": True})
    assert pointer.complete_before == 2
    for changes, sound in (({}, True), ({"withdrawn": True}, False), ({"counter": 1}, False)):
        before = decode_release(path, FULL | {"counter": 2, "fingerprint": "b"} | changes)
        if sound:
            check_agreement(CHANNEL, pointer, RELEASES | {path: before}, FILES)
        else:
            with pytest.raises(ReleaseError, match="names counter 2 as complete"):
                check_agreement(CHANNEL, pointer, RELEASES | {path: before}, FILES)


def test_only_halted_pointers_name_withdrawn_releases():
    """Only a halted pointer may name a withdrawn release."""
    releases = {
        path: decode_release(path, custom | {"withdrawn": True})
        for path, custom in ((FULL_PACKAGE["p"], FULL), (DELTA_PACKAGE["p"], DELTA))
    }
    check_agreement(CHANNEL, decode_pointer(PATH, POINTER | {"h": True}), releases, FILES)
    for custom in (POINTER, POINTER | {"p": True}):
        with pytest.raises(ReleaseError, match="is withdrawn"):
            check_agreement(CHANNEL, decode_pointer(PATH, custom), releases, FILES)


OTHER = "armani/id/beta"


def releases(*entries):
    """Return releases by path from tuples (counter, changes); `place` sets another channel."""
    found = {}
    for number, (counter, changes) in enumerate(entries):
        place = changes.pop("place", CHANNEL)
        path = f"{place}/{number}.zip"
        found[path] = decode_release(path, build(counter, **changes))
    return found


def test_offers_of_a_channel():
    """Releases of other channels and withdrawn ones are not offered."""
    listed = releases((1, {}), (2, {"withdrawn": True}), (3, {"place": OTHER}))
    assert [release.counter for release in offered_in(CHANNEL, listed).values()] == [1]


def test_upgrade_path_uses_the_newest_stepping_stone():
    """An upgrade path has the newest suitable stepping stone of each release."""
    assert find_upgrade_path(CHANNEL, 3, releases((1, {}), (2, {}), (3, {}))) == [3]
    listed = releases((1, {}), (2, {}), (4, {"min_counter": 2}), (7, {"min_counter": 3}))
    assert find_upgrade_path(CHANNEL, 7, listed) == [2, 4, 7]


def test_stepping_stones_are_full_packages_of_the_channel():
    """A stepping stone is a full package of the channel that is not withdrawn."""
    edge = {"type": "incremental", "source_builds": DELTA["source_builds"]}
    for stone in ({"withdrawn": True}, {"place": OTHER}, edge):
        listed = releases((1, {}), (2, stone), (4, {"min_counter": 2}))
        with pytest.raises(ReleaseError, match="a full package with a counter from 2 to 3"):
            find_upgrade_path(CHANNEL, 4, listed)
    with pytest.raises(ReleaseError, match="lists no full package of counter 2"):
        find_upgrade_path(CHANNEL, 2, releases((1, {})))


def test_upgrade_path_has_at_most_eight_steps():
    """An upgrade path has at most eight steps, like a pointer."""
    entries = [(1, {}), *((number, {"min_counter": number - 1}) for number in range(2, 10))]
    assert find_upgrade_path(CHANNEL, 8, releases(*entries)) == [1, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(ReleaseError, match="more than 8 steps"):
        find_upgrade_path(CHANNEL, 9, releases(*entries))
