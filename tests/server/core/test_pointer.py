import pytest
from hypothesis import given

from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel
from server.core.pointer import (
    Package,
    Pointer,
    Step,
    check_agreement,
    decode_pointer,
    encode_pointer,
    find_upgrade_path,
    offered_in,
)
from server.core.release import decode_release
from tests.cases import case
from tests.server.core.test_release import DELTA, FULL, build
from tests.server.core.tuf_objects import ABC
from tests.strategies import integers, pointers

PATH = "latest/armani/id/stable"
CHANNEL = Channel("armani", "id", "stable")
FULL_PACKAGE = {"p": "armani/id/stable/full.zip", "z": 3, "x": ABC, "b": []}
DELTA_PACKAGE = {
    "p": "armani/id/stable/delta.zip",
    "z": 3,
    "x": ABC,
    "b": ["Hening/armani/armani:14/A/2"],
}
STEP = {
    "n": 3,
    "t": 1_767_225_600,
    "l": "2026-01-05",
    "m": 0,
    "k": [FULL_PACKAGE, DELTA_PACKAGE],
}
POINTER = {
    "v": 1,
    "s": [STEP],
    "r": [[100, 10], [200, 500], [300, 1000]],
    "p": False,
    "h": False,
    "t": {},
}
NO_INTEGERS = [True, False, 1.0, "1", None, [], -1, 2**53, 10**30, "\u0661"]


def with_step(**changes):
    """Return the pointer with its step changed."""
    return POINTER | {"s": [STEP | changes]}


def with_package(**changes):
    """Return the pointer with its full package changed."""
    return with_step(k=[FULL_PACKAGE | changes])


@given(pointers())
def test_every_pointer_of_the_format_is_read_and_written(custom):
    """Decoding and encoding are inverse for everything in the tables of FORMATS section 4."""
    pointer = decode_pointer(PATH, custom)
    assert encode_pointer(pointer) == custom
    assert decode_pointer(PATH, encode_pointer(pointer)) == pointer


def test_the_members_arrive_where_they_belong():
    """Short keys become attributes."""
    pointer = decode_pointer(PATH, POINTER | {"h": True, "t": {"en": "Stopped."}, "later": 1})
    step = pointer.steps[0]
    assert (pointer.halted, pointer.paused, pointer.reason) == (True, False, {"en": "Stopped."})
    assert (step.counter, step.post_timestamp, step.min_counter) == (3, 1_767_225_600, 0)
    assert [package.type for package in step.packages] == ["full", "incremental"]
    assert (step.packages[0].path, step.packages[0].length) == ("armani/id/stable/full.zip", 3)


@pytest.mark.parametrize("version", [0, 2, True, 1.0, "1", None])
def test_an_unknown_schema_is_refused_with_a_sentence_that_names_it(version):
    """Only the integer 1 is known."""
    with pytest.raises(FormatError) as caught:
        decode_pointer(PATH, POINTER | {"v": version})
    assert f"schema {str(version)!r}" in str(caught.value)


@pytest.mark.parametrize("part", [POINTER, STEP, FULL_PACKAGE], ids=["pointer", "step", "package"])
def test_every_member_is_required(part):
    """A pointer, step or package without any one member is refused."""
    for member in part:
        rest = {k: v for k, v in part.items() if k != member}
        custom = POINTER | {"s": [STEP | {"k": [rest]}]} if part is FULL_PACKAGE else rest
        custom = POINTER | {"s": [rest]} if part is STEP else custom
        with pytest.raises(FormatError):
            decode_pointer(PATH, custom)


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_what_is_no_integer_is_refused(value):
    """Booleans, floats, texts, negative and huge numbers are refused in every place."""
    for custom in (
        with_step(n=value),
        with_step(t=value),
        with_step(m=value),
        with_package(z=value),
        POINTER | {"r": [[value, 10]]},
        POINTER | {"r": [[100, value]]},
    ):
        with pytest.raises(FormatError):
            decode_pointer(PATH, custom)


def test_members_of_another_form_are_refused():
    """Each row breaks one line of the tables in FORMATS section 4."""
    for custom in [
        POINTER | {"s": []},
        POINTER | {"s": [STEP | {"n": n} for n in range(1, 10)]},
        POINTER | {"s": [STEP, STEP]},
        POINTER | {"s": [STEP, STEP | {"n": 2}]},
        POINTER | {"s": {"0": STEP}},
        POINTER | {"r": []},
        POINTER | {"r": [[n, 0] for n in range(17)]},
        POINTER | {"r": [[100]]},
        POINTER | {"r": [[100, 10, 1]]},
        POINTER | {"r": [[100, 1001]]},
        POINTER | {"r": [[100, 10], [100, 20]]},
        POINTER | {"r": [[200, 10], [100, 20]]},
        POINTER | {"r": [[100, 20], [200, 10]]},
        POINTER | {"r": [{"from": 100, "permille": 10}]},
        POINTER | {"p": 0},
        POINTER | {"p": "false"},
        POINTER | {"h": 1},
        POINTER | {"h": None},
        POINTER | {"t": []},
        POINTER | {"t": {"EN": "x"}},
        POINTER | {"t": {"en": "x" * 501}},
        POINTER | {"t": {"en": 1}},
        POINTER | {"t": {f"aa-{number:04}": "x" for number in range(65)}},
        with_step(n=0),
        with_step(l="2026-02-29"),
        with_step(l="2026-01-05\n"),
        with_step(l=20260105),
        with_step(m=3),
        with_step(m=4),
        with_step(k=[]),
        with_step(k=[DELTA_PACKAGE]),
        with_step(k=[DELTA_PACKAGE, FULL_PACKAGE]),
        with_step(k=[FULL_PACKAGE, FULL_PACKAGE]),
        with_step(k=[FULL_PACKAGE, DELTA_PACKAGE, FULL_PACKAGE]),
        with_step(k=[FULL_PACKAGE, DELTA_PACKAGE, DELTA_PACKAGE, DELTA_PACKAGE]),
        with_package(z=0),
        with_package(x=ABC.upper()),
        with_package(x=ABC[:-1]),
        with_package(x=ABC + "\n"),
        with_package(b=None),
        with_step(k=[FULL_PACKAGE, DELTA_PACKAGE | {"b": ["a b"]}]),
        with_step(k=[FULL_PACKAGE, DELTA_PACKAGE | {"b": ["a"] * 9}]),
        with_package(p="dior/id/stable/full.zip"),
        with_package(p="armani/eu/stable/full.zip"),
        with_package(p="armani/id/beta/full.zip"),
        with_package(p="armani/id/stable/../full.zip"),
        with_package(p="armani/id/stable/full.apk"),
        with_package(p="armani/id/stable/x/full.zip"),
        with_package(p="full.zip"),
        with_package(p=1),
    ]:
        with case(custom), pytest.raises(FormatError):
            decode_pointer(PATH, custom)


def test_the_limits_themselves_are_allowed():
    """Eight steps, sixteen pairs, three packages and the longest texts are read."""
    step = STEP | {"k": [FULL_PACKAGE, DELTA_PACKAGE, DELTA_PACKAGE], "m": 0}
    custom = POINTER | {
        "s": [step | {"n": n} for n in range(1, 9)],
        "r": [[n, 1000] for n in range(16)],
        "t": {f"aa-{number:04}": "x" * 500 for number in range(64)},
    }
    assert len(decode_pointer(PATH, custom).steps) == 8


@pytest.mark.parametrize(
    "path", ["armani/id/stable", "latest/armani/id", "latest/root/id/stable", "latest", ""]
)
def test_a_pointer_lies_at_a_pointer_path(path):
    """Other paths are refused."""
    with pytest.raises(FormatError):
        decode_pointer(path, POINTER)


@pytest.mark.parametrize(
    ("now", "permille"),
    [(0, 0), (99, 0), (100, 10), (199, 10), (200, 500), (300, 1000), (2**53, 1000)],
)
def test_the_share_is_that_of_the_last_pair_that_has_begun(now, permille):
    """Before the first pair the share is 0."""
    assert decode_pointer(PATH, POINTER).permille_at(now) == permille


@given(pointers(), integers, integers)
def test_the_share_never_falls(custom, one, other):
    """The share of admitted phones only grows with time."""
    pointer = decode_pointer(PATH, custom)
    assert pointer.permille_at(min(one, other)) <= pointer.permille_at(max(one, other))


def test_what_could_not_be_read_is_not_written():
    """Values out of range, which a program could construct, cannot be encoded."""
    package = Package(path="armani/id/stable/a.zip", length=3, sha256=ABC, source_builds=[])
    step = Step(
        counter=1,
        post_timestamp=1,
        security_patch_level="2026-01-05",
        min_counter=0,
        packages=[package],
    )
    good = Pointer(v=1, steps=[step], schedule=[(0, 5)], paused=False, halted=False, reason={})
    assert encode_pointer(good)["r"] == [[0, 5]]
    for schedule in ([(0, 1001)], [], [(-1, 5)]):
        bad = Pointer(v=1, steps=[step], schedule=schedule, paused=False, halted=False, reason={})
        with pytest.raises(FormatError, match="cannot be written"):
            encode_pointer(bad)


RELEASES = {
    FULL_PACKAGE["p"]: decode_release(FULL_PACKAGE["p"], FULL),
    DELTA_PACKAGE["p"]: decode_release(DELTA_PACKAGE["p"], DELTA),
}
FILES = dict.fromkeys(RELEASES, (3, ABC))


@pytest.mark.parametrize(
    ("releases", "files"),
    [
        ({}, FILES),
        (RELEASES, {}),
        ({FULL_PACKAGE["p"]: RELEASES[FULL_PACKAGE["p"]]}, FILES),
        (RELEASES, FILES | {DELTA_PACKAGE["p"]: (4, ABC)}),
        (RELEASES, FILES | {FULL_PACKAGE["p"]: (3, "0" * 64)}),
    ],
)
def test_a_package_that_is_not_listed_so_is_refused(releases, files):
    """A missing release, another length and another hash are refused."""
    with pytest.raises(ReleaseError, match="does not list so"):
        check_agreement(CHANNEL, decode_pointer(PATH, POINTER), releases, files)


@pytest.mark.parametrize(
    "changes",
    [
        {"counter": 4},
        {"post_timestamp": 1},
        {"security_patch_level": "2026-01-06"},
        {"min_counter": 1},
        {"source_builds": ["Hening/armani/armani:14/A/1"]},
        {"source_builds": [*DELTA["source_builds"], "Hening/armani/armani:14/A/1"]},
        {"source_builds": [], "type": "full"},
    ],
)
def test_a_package_that_is_described_otherwise_is_refused(changes):
    """Counter, time, patch level, stepping stone, sources and type must be the role's."""
    path = DELTA_PACKAGE["p"]
    releases = RELEASES | {path: decode_release(path, DELTA | changes)}
    with pytest.raises(ReleaseError, match="otherwise than armani does"):
        check_agreement(CHANNEL, decode_pointer(PATH, POINTER), releases, FILES)


def test_the_build_that_was_complete_before_is_listed_with_a_full_package():
    """Also where the pointer is halted; a withdrawn one, or an incremental alone, is refused."""
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


@pytest.mark.parametrize("value", [*NO_INTEGERS, 0, 3, 4])
def test_the_build_that_was_complete_before_has_a_lower_counter(value):
    """From 1 to one below the final step's."""
    with pytest.raises(FormatError):
        decode_pointer(PATH, POINTER | {"c": value})


@pytest.mark.parametrize(
    ("now", "halted", "complete"),
    [(299, False, False), (300, False, True), (300, True, False)],
)
def test_a_build_is_complete_from_the_moment_of_its_last_pair(now, halted, complete):
    """One second before it is not; halted it never is."""
    pointer = decode_pointer(PATH, POINTER | {"h": halted})
    assert pointer.is_complete_at(now) is complete


def test_a_withdrawn_release_is_offered_by_a_halted_pointer_only():
    """A halted pointer may still name a withdrawn release; no other may."""
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
    """Return releases by path from (counter, changes); `place` in changes is another channel."""
    found = {}
    for number, (counter, changes) in enumerate(entries):
        place = changes.pop("place", CHANNEL)
        path = f"{place}/{number}.zip"
        found[path] = decode_release(path, build(counter, **changes))
    return found


def test_a_channel_offers_its_own_that_are_not_withdrawn():
    """Another channel's, and withdrawn ones, are not offered."""
    listed = releases((1, {}), (2, {"withdrawn": True}), (3, {"place": OTHER}))
    assert [release.counter for release in offered_in(CHANNEL, listed).values()] == [1]


def test_a_build_that_all_phones_may_install_is_one_step():
    """Whatever else is listed."""
    assert find_upgrade_path(CHANNEL, 3, releases((1, {}), (2, {}), (3, {}))) == [3]


def test_the_newest_stone_that_will_do_is_taken():
    """From a stone to its own stone, each with the highest suitable counter."""
    listed = releases((1, {}), (2, {}), (4, {"min_counter": 2}), (7, {"min_counter": 3}))
    assert find_upgrade_path(CHANNEL, 7, listed) == [2, 4, 7]


@pytest.mark.parametrize(
    "stone",
    [
        {"withdrawn": True},
        {"place": OTHER},
        {"type": "incremental", "source_builds": DELTA["source_builds"]},
    ],
)
def test_a_stone_is_a_full_package_of_the_channel(stone):
    """A withdrawn one, another channel's, and an incremental are no stones."""
    listed = releases((1, {}), (2, stone), (4, {"min_counter": 2}))
    with pytest.raises(ReleaseError, match="a full package with a counter from 2 to 3"):
        find_upgrade_path(CHANNEL, 4, listed)


def test_a_build_needs_a_full_package():
    """Without one there is no upgrade path."""
    with pytest.raises(ReleaseError, match="lists no full package of counter 2"):
        find_upgrade_path(CHANNEL, 2, releases((1, {})))


def test_a_way_has_at_most_eight_steps():
    """As many as a pointer holds."""
    entries = [(1, {}), *((number, {"min_counter": number - 1}) for number in range(2, 10))]
    listed = releases(*entries)
    assert find_upgrade_path(CHANNEL, 8, listed) == [1, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(ReleaseError, match="more than 8 steps"):
        find_upgrade_path(CHANNEL, 9, listed)
