"""The phone's own reading of a split `latest`."""

import hashlib

import pytest
from tuf.api.metadata import DelegatedRole, TargetFile, Targets

from client_sim.device.client import PollingClient
from client_sim.device.errors import ProfileError
from client_sim.device.parts import check_parts, find_pointer_role, is_part
from client_sim.device.profile import check_leaf_role, check_targets

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


@pytest.mark.parametrize("count", [4, 16])
def test_a_sound_split_is_accepted_and_found(count):
    """Each pointer is in the part of the first digit of its hash."""
    roles = split(count)
    check_parts(roles)
    for pointer in POINTERS:
        digit = int(hashlib.sha256(pointer.encode()).hexdigest()[0], 16)
        assert find_pointer_role(roles, pointer) == f"latest-{DIGITS[digit // (16 // count)]}"


def test_a_whole_latest_has_every_pointer():
    """And is no part of itself."""
    roles = {"latest": delegate("latest", paths=["latest/*/*/*"])}
    check_parts(roles)
    assert {find_pointer_role(roles, pointer) for pointer in POINTERS} == {"latest"}
    assert [is_part(name) for name in ("latest", "latest-0", "latest-g", "latest-00")] == [
        *(False, True, False, False)
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [
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
    ],
)
def test_a_split_that_is_not_sound_is_refused(change, match):
    """Another number or place, other hashes, another key: nobody can say which phones see what."""
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
    """A server that lists it where it does not belong offers it to nobody."""
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
