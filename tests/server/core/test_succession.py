"""Which changes of a role are allowed: additions, withdrawals, new texts, and floors."""

import contextlib
import copy
import json
from functools import cache

import pytest
from hypothesis import given

from server.core.errors import FormatError, HeningError, ReleaseError
from server.core.metadata import decode_targets
from server.core.succession import check_role_alone, check_role_content, check_succession
from tests.cases import case
from tests.server.core.content.samples import entries_of, make_pack_role
from tests.server.core.mutations import mutated
from tests.server.core.test_release import DELTA, FULL, PATH, build
from tests.server.core.tuf_objects import keys_of, make_role, signed

OLD, NEW = "armani/id/stable/1.zip", "armani/id/stable/9.zip"
TIME = FULL["post_timestamp"]  # for the build with counter 3
WITHDRAWN = FULL | {"withdrawn": True}
DRAINED = WITHDRAWN | {"drain_until": 1000}


def pruned(files, floor, time=TIME):
    """Return a role with `files` and a floor."""
    return make_role(files, floor=floor, floor_time=time, schema=1)


def test_additions_withdrawals_and_new_texts_are_allowed():
    """New paths, new texts and withdrawals are allowed."""
    old = make_role({PATH: FULL})
    check_succession(old, old)
    check_succession(make_role(), old)
    later = FULL | {"withdrawn": True, "changelog": {"id": "Baru."}}
    grown = make_role({PATH: later, "armani/id/stable/b.zip": build(4)})
    grown.targets["armani/id/stable/b.zip"].hashes["sha256"] = "b" * 64
    check_succession(old, grown)
    check_succession(make_role({PATH: later}), make_role({PATH: later}))


def test_removed_paths_are_refused():
    """A listed path cannot be removed."""
    with pytest.raises(ReleaseError, match="is gone"):
        check_succession(make_role({PATH: FULL}), make_role({"armani/id/stable/b.zip": FULL}))


def refuse_change(old, new):
    """Check that a change of the only release is refused."""
    with pytest.raises(ReleaseError, match="is changed"):
        check_succession(make_role({PATH: old}), make_role({PATH: new}))


def test_withdrawal_cannot_be_reverted():
    """A withdrawal cannot be reverted, whether by `false` or by removing the member."""
    old = make_role({PATH: WITHDRAWN})
    with pytest.raises(ReleaseError, match="that is final"):
        check_succession(old, make_role({PATH: FULL}))
    silent = {k: v for k, v in FULL.items() if k != "withdrawn"}
    with pytest.raises(FormatError):
        check_succession(old, make_role({PATH: silent}))


def test_other_members_of_a_release_are_fixed():
    """Every other member of a release is fixed, including unknown ones; `true` is not 1."""
    for member in set(FULL) - {"changelog", "withdrawn"}:
        with case(member):
            refuse_change(FULL, FULL | {member: "other"})
            refuse_change(FULL, {k: v for k, v in FULL.items() if k != member})
    refuse_change(FULL, FULL | {"later": 1})
    for one, other in ((1, True), (0, False)):
        refuse_change(FULL | {"later": [one]}, FULL | {"later": [other]})


def test_target_fields_are_fixed():
    """Length, hash and unknown members of a target are fixed."""
    rows = [("length", 4), ("hashes", {"sha256": "0" * 64})]
    rows += [("unrecognized_fields", {"later": later}) for later in (1, True, None, [], {"a": 1})]
    for name, value in rows:
        old, new = make_role({PATH: FULL}), make_role({PATH: copy.deepcopy(FULL)})
        custom = {"custom": FULL} if name == "unrecognized_fields" else {}
        setattr(new.targets[PATH], name, value | custom if custom else value)
        for one, other in ((old, new), (new, old)):
            with case(name, value), pytest.raises(ReleaseError, match="is changed"):
                check_succession(one, other)
        check_succession(new, new)


def test_drain_can_only_be_shortened():
    """A drain may be shortened or removed, but not added or extended."""
    short = DRAINED | {"drain_until": 999}
    for before, after in (
        *((FULL, DRAINED), (DRAINED, DRAINED), (DRAINED, short), (DRAINED, WITHDRAWN)),
    ):
        check_succession(make_role({PATH: before}), make_role({PATH: after}))
    for before in (WITHDRAWN, short):
        with pytest.raises(ReleaseError, match="can only get shorter"):
            check_succession(make_role({PATH: before}), make_role({PATH: DRAINED}))


def test_builds_below_the_floor_are_removed():
    """Builds below the floor leave with all their paths; the role may become empty.

    The floor's counter and time prevent their return.
    """
    old = make_role({OLD: build(1, withdrawn=True), PATH: FULL, NEW: build(9)})
    check_succession(old, pruned({PATH: FULL, NEW: build(9)}, 2))
    check_succession(old, pruned({NEW: build(9)}, 9))
    check_succession(old, pruned({}, 10, build(9)["post_timestamp"]))
    old = make_role({OLD: build(1), NEW: build(9)})
    with pytest.raises(ReleaseError, match="is gone, but its counter is not below"):
        check_succession(old, pruned({NEW: build(9)}, 1))
    with pytest.raises(ReleaseError, match="floor_time is before"):
        check_succession(old, pruned({NEW: build(9)}, 2, build(1)["post_timestamp"] - 1))


def test_floor_never_decreases():
    """Neither number of a floor may decrease, and a floor cannot be removed."""
    listed = {NEW: build(9)}
    old = pruned(listed, 5)
    for after in (pruned(listed, 4, TIME), pruned(listed, 5, TIME - 1), make_role(listed)):
        with pytest.raises(ReleaseError, match="floor falls"):
            check_succession(old, after)


def test_new_builds_are_above_all_earlier_ones():
    """New builds are above all listed and removed builds, in counter and time."""
    later, same = {"post_timestamp": TIME + 1}, {"post_timestamp": TIME}
    with pytest.raises(ReleaseError, match=r"with counter 2, which is not above 3"):
        check_succession(make_role({PATH: build(3)}), make_role({PATH: build(3), OLD: build(2)}))
    empty = pruned({}, 10)
    with pytest.raises(ReleaseError, match="builds below 10 have left the role permanently"):
        check_succession(empty, pruned({OLD: build(9, **later)}, 10))
    with pytest.raises(ReleaseError, match="not newer than a build that has left"):
        check_succession(empty, pruned({OLD: build(10, **same)}, 10))
    check_succession(empty, pruned({OLD: build(10, **later)}, 10))


def role_with(*listed):
    """Return a role from tuples (path, custom, byte); the byte determines the hash."""
    role = make_role({path: custom for path, custom, _ in listed})
    for path, _, byte in listed:
        role.targets[path].hashes["sha256"] = byte * 64
    return role


STABLE, BETA, AGAIN = (f"armani/id/{where}.zip" for where in ("stable/a", "beta/a", "stable/b"))
GONE, KEPT = (build(3, withdrawn=withdrawn) for withdrawn in (True, False))


def test_withdrawn_build_gets_no_new_path():
    """A withdrawn build gets no new path in any channel, even in the same version."""
    for before in (KEPT, GONE):
        for path in (BETA, AGAIN):
            for byte in ("a", "b"):
                old, new = ((STABLE, each, "a") for each in (before, GONE))
                sentence = r"is withdrawn.*, and that is final; build"
                with case(path, byte), pytest.raises(ReleaseError, match=sentence):
                    check_succession(role_with(old), role_with(new, (path, KEPT, byte)))


def test_withdrawn_bytes_get_no_new_path():
    """A withdrawn package gets no new path, even in a channel that lists its build."""
    edge = KEPT | {"type": "incremental", "source_builds": ["x"]}
    listed = (BETA, KEPT, "a"), (STABLE, KEPT, "a")
    bad = "armani/id/stable/edge.zip", edge | {"withdrawn": True}, "c"
    old = role_with(*listed, bad)
    for path in (AGAIN, "armani/id/dev/a.zip"):
        sentence = r"has the bytes of armani/id/stable/edge.zip, which is"
        with pytest.raises(ReleaseError, match=sentence):
            check_succession(old, role_with(*listed, bad, (path, edge, "c")))
        check_succession(old, role_with(*listed, bad, (path, edge, "d")))


def test_build_withdrawn_from_one_channel_stays_in_others():
    """Other channels that list a build may get new packages of it.

    The channel that withdrew it may not.
    """
    old = role_with((STABLE, GONE, "a"), (BETA, KEPT, "a"))
    check_succession(old, old)
    edge = KEPT | {"type": "incremental", "source_builds": ["x"]}
    listed = ((STABLE, GONE, "a"), (BETA, KEPT, "a"))
    check_succession(old, role_with(*listed, ("armani/id/beta/b.zip", edge, "b")))
    with pytest.raises(ReleaseError, match="is withdrawn from armani/id/stable, and that is final"):
        check_succession(old, role_with(*listed, (AGAIN, edge, "b")))


TABLE = "tables/apn/00.xz"


def tables():
    """Return a `tables` role with one pack."""
    return make_pack_role("tables", {"emergency": entries_of("emergency")})[0]


def test_first_version_needs_no_predecessor() -> None:
    """A first version is valid if it is consistent in itself.

    The largest step of a version is checked only against a known predecessor.
    """
    check_role_content("armani", None, make_role())
    check_role_content("armani", None, make_role({PATH: FULL}))
    check_role_content("latest", None, make_role())
    role = tables()
    check_role_content("tables", None, role)
    role.unrecognized_fields["custom"]["packs"]["emergency"]["version"] = 1_001
    check_role_alone("tables", role)
    with pytest.raises(HeningError, match="leaps from version 0 to 1001"):
        check_role_content("tables", None, role)


def test_invalid_paths_are_refused() -> None:
    """An invalid path is refused in first and later versions."""
    for name, targets, sentence in (
        ("armani", {PATH: FULL | {"schema": 2}}, "schema '2'"),
        ("armani", {PATH: FULL, "armani/id/stable/b.zip": build(3)}, "belongs to"),
        ("armani", {TABLE: FULL}, "not a path of this role"),
        ("tables", {TABLE: {"schema": 1}}, "belongs to none of its packs"),
        ("latest", {"latest/armani/id/stable": {"v": 1}}, "only the server signs"),
    ):
        for before in (None, make_role()):
            with case(name, before), pytest.raises(HeningError, match=sentence):
                check_role_content(name, before, make_role(targets))


def test_later_version_keeps_paths_and_packs() -> None:
    """A model's role keeps its paths; tables and content keep their kinds."""
    with pytest.raises(HeningError, match="is gone"):
        check_role_content("armani", make_role({PATH: FULL}), make_role())
    with pytest.raises(HeningError, match="the pack emergency is removed"):
        check_role_content("tables", tables(), make_role())
    check_role_content("tables", make_role(), tables())


def model():
    """Return a role with two builds, an incremental, a withdrawn package and a floor."""
    builds = {
        "armani/id/stable/0.zip": build(1, withdrawn=True, drain_until=5),
        PATH: FULL,
        "armani/id/stable/b.zip": DELTA,
    }
    role = make_role(builds, floor=1, floor_time=1, schema=1)
    for number, target in enumerate(role.targets.values()):
        target.hashes["sha256"] = f"{number:064x}"
    return role


@cache
def base(name):
    """Return a role and its signed bytes. Tests must copy the role, not change it."""
    role = model() if name == "armani" else tables()
    check_role_content(name, role, role)
    return role, signed(role, *keys_of(name))


def check_mutant(name, document):
    """Check a changed role as successor and as first version, and that it has a canonical form."""
    with contextlib.suppress(HeningError):
        metadata = decode_targets(name, json.dumps(document).encode())
        assert metadata.signed_bytes
        with contextlib.suppress(HeningError):
            check_role_content(name, base(name)[0], metadata.signed)
        check_role_content(name, None, metadata.signed)


@given(mutated(lambda: json.loads(base("armani")[1])))
def test_mutated_model_role_raises_only_our_error(document) -> None:
    """A model's role with random changes raises only our error, or has a canonical form."""
    check_mutant("armani", document)


@given(mutated(lambda: json.loads(base("tables")[1])))
def test_mutated_common_role_raises_only_our_error(document) -> None:
    """A common role with random changes raises only our error, or has a canonical form."""
    check_mutant("tables", document)
