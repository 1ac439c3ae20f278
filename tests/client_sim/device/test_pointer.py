import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, Targets

from client_sim.device.client import PollingClient
from client_sim.device.errors import PointerError, ProfileError
from client_sim.device.pointer import (
    bucket,
    check_parts,
    decode_pointer,
    find_pointer_role,
    is_part,
    permille_at,
)
from tests.cases import case
from tests.client_sim.device.formats_page import bucket_rows, json_vector, section
from tests.client_sim.device.repository_simulator import SOURCE, make_pointer, make_step
from tests.strategies import json_values

NAME = "latest/armani/id/stable"
FULL = {"p": "armani/id/stable/a.zip", "z": 7, "x": "0" * 64, "b": []}
DELTA = {**FULL, "p": "armani/id/stable/b.zip", "b": [SOURCE]}


def _decode(custom):
    return decode_pointer(NAME, custom)


def _pointer(**changes):
    return make_pointer([make_step(3, [FULL])], **changes)


def _with_step(**changes):
    return make_pointer([make_step(3, [FULL, DELTA], **changes)])


def _with_link(**changes):
    return make_pointer([make_step(3, [{**FULL, **changes}])])


def test_formats_vector_of_a_pointer():
    """The pointer of FORMATS section 4 is decoded member by member."""
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


def test_unknown_members_are_ignored():
    """Phones ignore the member `c`, and unknown members of a pointer, a step and a package."""
    data, _ = json_vector(4)
    page = section(4)
    with_it = b'{"c":2,' + data[1:]
    assert hashlib.sha256(with_it).hexdigest() in page
    assert _decode(json.loads(with_it)) == _decode(json.loads(data))
    custom = make_pointer([make_step(3, [{**FULL, "new": 1}], new=2)], new=3)
    assert _decode(custom).steps[0].counter == 3


def test_bucket_vectors():
    """The four vectors of FORMATS section 4."""
    rows = list(bucket_rows())
    assert len(rows) == 4
    for *place, expected in rows:
        with case(*place, expected):
            assert bucket(*place) == expected


def test_share_at_a_time():
    """The share is 0 before the first pair, and stays at the last pair's."""
    for now, expected in ((0, 0), (9, 0), (9.9, 0), (10, 5), (19.5, 5), (20, 7), (2**60, 7)):
        with case(now, expected):
            assert permille_at(((10, 5), (20, 7)), now) == expected


def test_refused_pointers():
    """Wrong types, ranges, order, paths and missing members are refused."""
    for custom in [
        make_pointer([]),
        make_pointer([make_step(n, [FULL]) for n in range(1, 10)]),
        make_pointer([make_step(3, [FULL]), make_step(3, [FULL])]),
        make_pointer([make_step(3, [FULL]), make_step(2, [FULL])]),
        *(_pointer(v=version) for version in (2, True)),
        *(_pointer(r=pairs) for pairs in ([], [[1, 2]] * 2, [[1, 2], [2, 1]], [[1, 1001]])),
        *(_pointer(r=pairs) for pairs in ([[-1, 1]], [[1, 2, 3]], [[1.0, 2]])),
        _pointer(r=[[n, 0] for n in range(17)]),
        *(_pointer(**change) for change in ({"p": 0}, {"h": None}, {"t": {"en": "x" * 501}})),
        *(_with_step(n=counter) for counter in (0, 2**53)),
        *(_with_step(m=counter) for counter in (3, -1)),
        *(_with_step(**change) for change in ({"t": True}, {"l": "2026-13-01"})),
        *(_with_step(k=links) for links in ([], [DELTA], [DELTA, FULL], [FULL, FULL])),
        _with_step(k=[FULL, DELTA, DELTA, DELTA]),
        *(_with_link(p=f"armani/{path}") for path in ("id/beta/a.zip", "eu/stable/a.zip")),
        _with_link(p="dior/id/stable/a.zip"),
        *(
            _with_link(p=f"armani/id/stable/{path}")
            for path in ("../beta/a.zip", "a.zip/b.zip", "a.zip?x", "a.img")
        ),
        *(_with_link(x=sha256) for sha256 in ("0" * 63, "A" * 64)),
        *(_with_link(z=length) for length in (0, -1, "7")),
        *(_with_link(b=sources) for sources in ([SOURCE] * 9, None)),
        *({n: v for n, v in _with_step().items() if n != gone} for gone in "vsrpht"),
    ]:
        with case(custom), pytest.raises(PointerError):
            _decode(custom)


def test_names_of_pointers():
    """Only `latest/CODENAME/REGION/CHANNEL` is a pointer."""
    for name in ("latest/armani/id", "latest/root/id/x", "x/armani/id/stable"):
        with case(name), pytest.raises(PointerError):
            decode_pointer(name, _with_step())


@given(json_values, st.sampled_from(["s", "r", "t", "k", "b", "all"]))
def test_arbitrary_values_raise_only_pointer_error(value, place):
    """Any JSON value in any place is decoded or refused with the phone's own error."""
    custom = {"all": value, "k": make_pointer([make_step(3, value)]), "b": _with_link(b=value)}.get(
        place, _pointer(**{place: value})
    )
    try:
        pointer = _decode(custom)
    except PointerError:
        return
    assert pointer.steps


DIGITS = "0123456789abcdef"
POINTERS = [f"latest/armani/id/c{number}" for number in range(64)]


def delegate(name, **fields):
    """Return a delegation to one key."""
    return DelegatedRole(name, **{"keyids": ["k"], "threshold": 1, "terminating": True} | fields)


def split(count):
    """Return delegations with `count` parts, as FORMATS section 2 describes them."""
    each = 16 // count
    parts = {
        f"latest-{DIGITS[index]}": delegate(
            f"latest-{DIGITS[index]}",
            path_hash_prefixes=list(DIGITS[index * each : (index + 1) * each]),
        )
        for index in range(count)
    }
    armani = delegate("armani", paths=["armani/*/*/*"])
    return {"armani": armani, **parts, "latest": delegate("latest", paths=["latest/*/*/*"])}


def test_pointers_of_a_split_latest():
    """The first digit of a pointer's hash selects the part; without parts `latest` has all."""
    for count in (4, 16):
        roles = split(count)
        check_parts(roles)
        for pointer in POINTERS:
            digit = int(hashlib.sha256(pointer.encode()).hexdigest()[0], 16)
            part = f"latest-{DIGITS[digit // (16 // count)]}"
            assert find_pointer_role(roles, pointer) == part
    roles = {"latest": delegate("latest", paths=["latest/*/*/*"])}
    check_parts(roles)
    assert {find_pointer_role(roles, pointer) for pointer in POINTERS} == {"latest"}
    parts = [is_part(name) for name in ("latest", "latest-0", "latest-g", "latest-00")]
    assert parts == [False, True, False, False]


def _second(**fields):
    """Change the second of four parts."""
    fields = {"path_hash_prefixes": ["4", "5", "6", "7"], **fields}
    return lambda roles: roles.update({"latest-1": delegate("latest-1", **fields)})


RULES = "FORMATS section 2"
REFUSED_SPLITS = [
    (lambda roles: roles.pop("latest-2"), "4 or 16"),
    (lambda roles: roles.update({"latest-4": roles["latest-3"]}), "4 or 16"),
    (lambda roles: roles.update({"armani": roles.pop("armani")}), "4 or 16"),
    (lambda roles: roles.update({"latest-0": roles.pop("latest-0")}), "4 or 16"),
    (_second(path_hash_prefixes=["4", "5", "6", "70"]), RULES),
    (_second(path_hash_prefixes=None, paths=["latest/*/*/*"]), RULES),
    (_second(terminating=False), RULES),
    (_second(keyids=["other"]), "other signers"),
]


def test_refused_splits():
    """With other numbers, hashes, places or keys it is open which phones get which part."""
    for number, (change, match) in enumerate(REFUSED_SPLITS):
        roles = split(4)
        change(roles)
        with case(number, match), pytest.raises(ProfileError, match=match):
            check_parts(roles)


def publish_split(repository, count, holder):
    """Split the repository's `latest`; the part `holder` gets its pointers."""
    delegations = repository.signed["targets"].delegations
    keyids = delegations.roles["latest"].keyids
    whole = delegations.roles.pop("latest")
    for name, role in split(count).items():
        if is_part(name):
            role.keyids = list(keyids)
            delegations.roles[name] = role
            repository.signers[name] = repository.signers["latest"]
            repository.signed[name] = Targets()
            repository.publish_role(name)
    delegations.roles["latest"] = whole
    repository.signed[holder].targets = repository.signed["latest"].targets
    repository.signed["latest"].targets = {}
    repository.publish("targets", "latest", holder)


# The sha256 of latest/armani/id/stable starts with aacd4d75.
@pytest.mark.parametrize(("count", "holder"), [(4, "latest-2"), (16, "latest-a")])
def test_poll_requests_its_part_and_proof(repository, world, count, holder):
    """A phone requests its part in place of `latest`, and no other part."""
    repository.offer()
    publish_split(repository, count, holder)
    outcome = PollingClient(world).poll()
    assert outcome.offer is not None
    assert [path for path in world.paths if "latest" in path] == [
        f"/metadata/2.{holder}.json",
        f"/log/proof/{holder}.2",
    ]
    repository.publish("latest-0", "latest")
    outcome = PollingClient(world).poll()
    assert outcome.changed
    assert outcome.offer is not None
    assert [path for path in world.paths if "latest" in path][2:] == []


def test_a_pointer_in_another_part_is_not_seen(repository, world):
    """A pointer listed in the wrong part is offered to no phone."""
    repository.offer()
    publish_split(repository, 4, "latest-0")
    outcome = PollingClient(world).poll()
    assert outcome.offer is None
    assert "No build has been announced" in outcome.reason


def test_a_part_without_its_proof_is_not_used(repository, world):
    """The part is not stored, and the next poll requests part and proof again."""
    repository.offer()
    publish_split(repository, 4, "latest-2")
    proof = repository.files.pop("/log/proof/latest-2.2")
    assert PollingClient(world).poll().failure is not None
    assert "role.latest-2" not in world.state
    repository.files["/log/proof/latest-2.2"] = proof
    assert PollingClient(world).poll().offer is not None
