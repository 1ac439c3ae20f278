import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.errors import PointerError
from client_sim.device.pointer import bucket, decode_pointer, permille_at
from tests.client_sim.device.formats_page import bucket_rows, json_vector
from tests.client_sim.device.repository_simulator import SOURCE, make_pointer, make_step
from tests.strategies import json_values

NAME = "latest/armani/id/stable"
FULL = {"p": "armani/id/stable/a.zip", "z": 7, "x": "0" * 64, "b": []}
DELTA = {**FULL, "p": "armani/id/stable/b.zip", "b": [SOURCE]}


def _decode(custom):
    return decode_pointer(NAME, custom)


def _with_step(**changes):
    return make_pointer([make_step(3, [FULL, DELTA], **changes)])


def _with_link(**changes):
    return make_pointer([make_step(3, [{**FULL, **changes}])])


def test_the_vector_of_formats():
    """The pointer of FORMATS section 4 is read, member by member."""
    data, digest = json_vector(4)
    assert hashlib.sha256(data).hexdigest() == digest
    pointer = _decode(json.loads(data))
    assert (pointer.codename, pointer.region, pointer.channel) == ("armani", "id", "stable")
    assert pointer.schedule == ((1767312000, 10), (1767398400, 500), (1767484800, 1000))
    (step,) = pointer.steps
    assert (step.counter, step.min_counter, step.post_timestamp) == (3, 0, 1767225600)
    assert [link.length for link in step.packages] == [1873560, 141682]
    assert [len(link.source_builds) for link in step.packages] == [0, 1]
    assert not pointer.paused
    assert not pointer.halted
    place = bucket(bytes(range(32)), "armani", "id", "stable", step.counter)
    assert place == 814


@pytest.mark.parametrize(
    ("secret", "codename", "region", "channel", "counter", "expected"), list(bucket_rows())
)
def test_the_buckets_of_formats(secret, codename, region, channel, counter, expected):
    """The four vectors of the page."""
    assert bucket(secret, codename, region, channel, counter) == expected


def test_all_bucket_vectors_were_found():
    """The page has four of them."""
    assert len(list(bucket_rows())) == 4


@pytest.mark.parametrize(
    ("now", "expected"), [(0, 0), (9, 0), (9.9, 0), (10, 5), (19.5, 5), (20, 7), (2**60, 7)]
)
def test_the_last_pair_that_has_begun_counts(now, expected):
    """Nobody before the first pair, the last one for ever."""
    assert permille_at(((10, 5), (20, 7)), now) == expected


def test_unknown_members_are_kept_everywhere():
    """In the pointer, a step and a package."""
    custom = make_pointer([make_step(3, [{**FULL, "new": 1}], new=2)], new=3)
    assert _decode(custom).steps[0].counter == 3


@pytest.mark.parametrize(
    "custom",
    [
        make_pointer([]),
        make_pointer([make_step(n, [FULL]) for n in range(1, 10)]),
        make_pointer([make_step(3, [FULL]), make_step(3, [FULL])]),
        make_pointer([make_step(3, [FULL]), make_step(2, [FULL])]),
        make_pointer([make_step(3, [FULL])], v=2),
        make_pointer([make_step(3, [FULL])], v=True),
        make_pointer([make_step(3, [FULL])], r=[]),
        make_pointer([make_step(3, [FULL])], r=[[1, 2]] * 2),
        make_pointer([make_step(3, [FULL])], r=[[1, 2], [2, 1]]),
        make_pointer([make_step(3, [FULL])], r=[[1, 1001]]),
        make_pointer([make_step(3, [FULL])], r=[[-1, 1]]),
        make_pointer([make_step(3, [FULL])], r=[[1, 2, 3]]),
        make_pointer([make_step(3, [FULL])], r=[[1.0, 2]]),
        make_pointer([make_step(3, [FULL])], r=[[n, 0] for n in range(17)]),
        make_pointer([make_step(3, [FULL])], p=0),
        make_pointer([make_step(3, [FULL])], h=None),
        make_pointer([make_step(3, [FULL])], t={"en": "x" * 501}),
        _with_step(n=0),
        _with_step(n=2**53),
        _with_step(m=3),
        _with_step(m=-1),
        _with_step(t=True),
        _with_step(l="2026-13-01"),
        _with_step(k=[]),
        _with_step(k=[DELTA]),
        _with_step(k=[DELTA, FULL]),
        _with_step(k=[FULL, FULL]),
        _with_step(k=[FULL, DELTA, DELTA, DELTA]),
        _with_link(p="armani/id/beta/a.zip"),
        _with_link(p="armani/eu/stable/a.zip"),
        _with_link(p="dior/id/stable/a.zip"),
        _with_link(p="armani/id/stable/../beta/a.zip"),
        _with_link(p="armani/id/stable/a.zip/b.zip"),
        _with_link(p="armani/id/stable/a.zip?x"),
        _with_link(p="armani/id/stable/a.img"),
        _with_link(x="0" * 63),
        _with_link(x="A" * 64),
        _with_link(z=0),
        _with_link(z=-1),
        _with_link(z="7"),
        _with_link(b=[SOURCE] * 9),
        _with_link(b=None),
    ],
)
def test_refused_pointers(custom):
    """Types, ranges, order, and paths that lead elsewhere."""
    with pytest.raises(PointerError):
        _decode(custom)


@pytest.mark.parametrize("member", ["v", "s", "r", "p", "h", "t"])
def test_every_member_is_needed(member):
    """A pointer without one of its members is refused."""
    custom = _with_step()
    del custom[member]
    with pytest.raises(PointerError):
        _decode(custom)


@pytest.mark.parametrize("name", ["latest/armani/id", "latest/root/id/x", "x/armani/id/stable"])
def test_a_pointer_has_a_pointers_name(name):
    """Only `latest/CODENAME/REGION/CHANNEL`."""
    with pytest.raises(PointerError):
        decode_pointer(name, _with_step())


@given(json_values, st.sampled_from(["s", "r", "t", "k", "b", "all"]))
def test_arbitrary_values_raise_nothing_else(value, place):
    """Any JSON value in any place is read or refused with the phone's own error."""
    custom = {
        "all": value,
        "k": make_pointer([make_step(3, value)]),
        "b": _with_link(b=value),
    }.get(place, make_pointer([make_step(3, [FULL])], **{place: value}))
    try:
        pointer = _decode(custom)
    except PointerError:
        return
    assert pointer.steps
