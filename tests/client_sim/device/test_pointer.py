import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, TargetFile, Targets

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
from client_sim.device.profile import check_leaf_role, check_targets
from tests.cases import case
from tests.client_sim.device.formats_page import bucket_rows, json_vector, section
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


def test_the_vector_with_a_complete_build_reads_as_the_one_without():
    """Phones pass over the member `c`: this reader is older than it."""
    data, _ = json_vector(4)
    page = section(4)
    with_it = b'{"c":2,' + data[1:]
    assert hashlib.sha256(with_it).hexdigest() in page
    assert _decode(json.loads(with_it)) == _decode(json.loads(data))


def test_the_buckets_of_formats():
    """The four vectors of the page."""
    for secret, codename, region, channel, counter, expected in list(bucket_rows()):
        with case(secret, codename, region, channel, counter, expected):
            assert bucket(secret, codename, region, channel, counter) == expected


def test_all_bucket_vectors_were_found():
    """The page has four of them."""
    assert len(list(bucket_rows())) == 4


def test_the_last_pair_that_has_begun_counts():
    """No share before the first pair, the last one for ever."""
    for now, expected in ((0, 0), (9, 0), (9.9, 0), (10, 5), (19.5, 5), (20, 7), (2**60, 7)):
        with case(now, expected):
            assert permille_at(((10, 5), (20, 7)), now) == expected


def test_unknown_members_are_kept_everywhere():
    """In the pointer, a step and a package."""
    custom = make_pointer([make_step(3, [{**FULL, "new": 1}], new=2)], new=3)
    assert _decode(custom).steps[0].counter == 3


def test_refused_pointers():
    """Types, ranges, order, and paths that lead elsewhere."""
    for custom in [
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
    ]:
        with case(custom), pytest.raises(PointerError):
            _decode(custom)


def test_every_member_is_needed():
    """A pointer without one of its members is refused."""
    for member in ("v", "s", "r", "p", "h", "t"):
        with case(member):
            custom = _with_step()
            del custom[member]
            with pytest.raises(PointerError):
                _decode(custom)


def test_a_pointer_has_a_pointers_name():
    """Only `latest/CODENAME/REGION/CHANNEL`."""
    for name in ("latest/armani/id", "latest/root/id/x", "x/armani/id/stable"):
        with case(name), pytest.raises(PointerError):
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


DIGITS = "0123456789abcdef"
POINTERS = [f"latest/armani/id/c{number}" for number in range(64)]


def delegate(name, **fields):
    """Return a delegation to one key."""
    return DelegatedRole(name, **{"keyids": ["k"], "threshold": 1, "terminating": True} | fields)


def split(count):
    """Return delegations with so many parts, made from the words of FORMATS section 2."""
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


def test_a_sound_split_is_accepted_and_found():
    """Each pointer is in the part of the first digit of its hash."""
    for count in (4, 16):
        with case(count):
            roles = split(count)
            check_parts(roles)
            for pointer in POINTERS:
                digit = int(hashlib.sha256(pointer.encode()).hexdigest()[0], 16)
                assert (
                    find_pointer_role(roles, pointer) == f"latest-{DIGITS[digit // (16 // count)]}"
                )


def test_a_whole_latest_has_every_pointer():
    """And is no part of itself."""
    roles = {"latest": delegate("latest", paths=["latest/*/*/*"])}
    check_parts(roles)
    assert {find_pointer_role(roles, pointer) for pointer in POINTERS} == {"latest"}
    assert [is_part(name) for name in ("latest", "latest-0", "latest-g", "latest-00")] == [
        *(False, True, False, False)
    ]


def test_a_split_that_is_not_sound_is_refused():
    """Another number or place, other hashes, another key: it is open which phones see what."""
    for change, match in (
        (lambda roles: roles.pop("latest-2"), "4 or 16"),
        (lambda roles: roles.update({"latest-4": roles["latest-3"]}), "4 or 16"),
        (lambda roles: roles.update({"armani": roles.pop("armani")}), "4 or 16"),
        (lambda roles: roles.update({"latest-0": roles.pop("latest-0")}), "4 or 16"),
        (
            lambda roles: roles.update(
                {"latest-1": delegate("latest-1", path_hash_prefixes=["4", "5", "6", "70"])}
            ),
            "FORMATS section 2",
        ),
        (
            lambda roles: roles.update({"latest-1": delegate("latest-1", paths=["latest/*/*/*"])}),
            "FORMATS section 2",
        ),
        (
            lambda roles: roles.update(
                {
                    "latest-1": delegate(
                        "latest-1", path_hash_prefixes=["4", "5", "6", "7"], terminating=False
                    )
                }
            ),
            "FORMATS section 2",
        ),
        (
            lambda roles: roles.update(
                {
                    "latest-1": delegate(
                        "latest-1", path_hash_prefixes=["4", "5", "6", "7"], keyids=["other"]
                    )
                }
            ),
            "other signers",
        ),
    ):
        with case(change, match):
            roles = split(4)
            change(roles)
            with pytest.raises(ProfileError, match=match):
                check_parts(roles)


def test_the_simulated_repository_is_refused_when_it_splits_wrongly(repository):
    """The profile asks for it: a part in front of the models would take their look-ups."""
    targets = repository.signed["targets"]
    roles = targets.delegations.roles
    whole = roles["latest"]
    part = DelegatedRole(
        "latest-0", whole.keyids, 1, terminating=True, path_hash_prefixes=list(DIGITS)
    )
    targets.delegations.roles = {"latest-0": part, **roles}
    with pytest.raises(ProfileError, match="4 or 16"):
        check_targets(repository.signed["root"], targets)


def test_a_part_lists_pointers_alone(repository):
    """A path outside `latest/` is refused in a part as in latest."""
    role = repository.signed["latest"]
    check_leaf_role("latest-3", role)
    role.targets["tables/zones/a.zip"] = TargetFile(1, {"sha256": "0" * 64}, "tables/zones/a.zip")
    with pytest.raises(ProfileError, match="not its own"):
        check_leaf_role("latest-3", role)


def publish_split(repository, count, holder):
    """Split the repository's latest; the part `holder` gets what latest listed."""
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
def test_a_phone_asks_for_its_part_and_its_proof(repository, world, count, holder):
    """In the place of latest and its proof; nothing of another part."""
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
    """A server that lists it where it does not belong offers it to no phone."""
    repository.offer()
    publish_split(repository, 4, "latest-0")
    outcome = PollingClient(world).poll()
    assert outcome.offer is None
    assert "No build has been announced" in outcome.reason


def test_a_part_without_its_proof_is_not_used(repository, world):
    """As with latest: it is not kept, and the next poll asks for both again."""
    repository.offer()
    publish_split(repository, 4, "latest-2")
    proof = repository.files.pop("/log/proof/latest-2.2")
    assert PollingClient(world).poll().failure is not None
    assert "role.latest-2" not in world.state
    repository.files["/log/proof/latest-2.2"] = proof
    assert PollingClient(world).poll().offer is not None
