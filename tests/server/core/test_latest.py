"""A split `latest`: which part has a pointer, and how targets delegate to the parts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole

from server.core.errors import ProfileError, ReleaseError
from server.core.latest import (
    assign_pointers,
    delegated_roles,
    list_parts,
    part_prefixes,
    plan_split,
    pointer_role,
)
from server.core.names import is_codename, is_latest, is_online
from server.core.profile import check_targets
from tests.cases import refuse_each
from tests.server.core.tuf_objects import make_root, make_targets

EXPIRES = datetime(2027, 3, 1, tzinfo=UTC)


def test_parts_of_a_split():
    """Each hash digit belongs to one part; a part is an online role and no model."""
    assert part_prefixes(4) == {
        "latest-0": ("0", "1", "2", "3"),
        "latest-1": ("4", "5", "6", "7"),
        "latest-2": ("8", "9", "a", "b"),
        "latest-3": ("c", "d", "e", "f"),
    }
    assert part_prefixes(16) == {f"latest-{digit}": (digit,) for digit in "0123456789abcdef"}
    for role in ("latest", "latest-a"):
        assert is_latest(role)
        assert is_online(role)
        assert not is_codename(role)
    assert not any(map(is_latest, ("latest-A", "latest-10", "a")))


SPLITS = {1: make_targets(), **{n: plan_split(make_targets(), n, EXPIRES) for n in (4, 16)}}


@given(st.from_regex(r"latest/[a-z]{1,6}/[a-z]{2}/[a-z]{1,6}", fullmatch=True))
def test_python_tuf_finds_the_same_part(path):
    """python-tuf looks a pointer up in the same part first, and in no other role."""
    for parts, targets in SPLITS.items():
        found = targets.delegations.get_roles_for_target(path)
        assert next(iter(found)) == (pointer_role(path, parts), True)


def test_each_pointer_is_in_one_part():
    """Each pointer is in one part; the split latest is empty, and parts may be, too."""
    paths = [f"latest/armani/id/c{number}" for number in range(40)]
    assert assign_pointers(paths, ["armani", "latest"]) == {"latest": sorted(paths)}
    parts = assign_pointers(paths[:3], [*part_prefixes(16), "latest"])
    assert len(parts) == 17
    assert parts.pop("latest") == []
    assert sorted(path for listed in parts.values() for path in listed) == paths[:3]


def test_split_into_4_then_16_parts():
    """Each split obeys the profile and uses latest's keys; latest stays the last role."""
    four = plan_split(make_targets(), 4, EXPIRES)
    check_targets(make_root(), four)
    sixteen = plan_split(four, 16, EXPIRES)
    check_targets(make_root(), sixteen)
    assert (four.version, sixteen.version, sixteen.expires) == (2, 3, EXPIRES)
    roles = delegated_roles(sixteen)
    assert [*roles][-17:] == [*part_prefixes(16), "latest"]
    assert {tuple(roles[part].keyids) for part in list_parts(roles)} == {
        tuple(roles["latest"].keyids)
    }


def test_invalid_splits_are_not_planned():
    """A split cannot be reversed or repeated, and has 4 or 16 parts."""
    for before, parts in ((4, 4), (16, 4), (16, 16)):
        targets = plan_split(make_targets(), before, EXPIRES)
        with pytest.raises(ReleaseError, match="never dropped"):
            plan_split(targets, parts, EXPIRES)

    def split(parts):
        plan_split(make_targets(), parts, EXPIRES)

    refuse_each(ReleaseError, split, [0, 1, 2, 8, 32, 256], "4 or 16")


def edited(change):
    """Return targets that are split into 4 parts, with changed delegations."""
    targets = plan_split(make_targets(), 4, EXPIRES)
    roles = dict(delegated_roles(targets))
    targets.delegations.roles = change(roles) or roles
    return targets


def armani(roles, name):
    """Return armani's delegation under another name."""
    return DelegatedRole(name, roles["armani"].keyids, 2, terminating=True, paths=[f"{name}/*/*/*"])


def part(roles, name="latest-1", **fields):
    """Replace a part's delegation."""
    whole = roles["latest"]
    fields = {"keyids": whole.keyids, "threshold": 1, "terminating": True} | fields
    if "paths" not in fields:
        fields.setdefault("path_hash_prefixes", ["4", "5", "6", "7"])
    roles[name] = DelegatedRole(name, **fields)


def test_malformed_splits_are_refused():
    """Splits that break rule 7 or 11 of the profile are refused."""
    for change, match in (
        (lambda roles: part(roles, terminating=False), "not terminating"),
        (lambda roles: part(roles, path_hash_prefixes=["4", "5", "6"]), "own hashes"),
        (lambda roles: part(roles, path_hash_prefixes=["5", "4", "6", "7"]), "own hashes"),
        (lambda roles: part(roles, path_hash_prefixes=["45", "5", "6", "7"]), "own hashes"),
        (lambda roles: part(roles, paths=["latest/*/*/*"]), "own hashes"),
        (
            lambda roles: part(roles, keyids=roles["armani"].keyids),
            "the keys and the threshold of latest",
        ),
        (
            lambda roles: part(roles, keyids=roles["armani"].keyids, threshold=2),
            "the keys and the threshold",
        ),
        (lambda roles: roles.pop("latest-2") and None, "4 or 16"),
        (lambda roles: part(roles, "latest-4"), "4 or 16"),
        (lambda roles: dict(sorted(roles.items(), reverse=True)), "after all other roles"),
        (lambda roles: {"latest": roles.pop("latest"), **roles}, "after all other roles"),
        (lambda roles: {"latest-0": roles.pop("latest-0"), **roles}, "after all other roles"),
        (lambda roles: {**roles, "dior": armani(roles, "dior")}, "after all other roles"),
    ):
        with pytest.raises(ProfileError, match=match):
            check_targets(make_root(), edited(change))
