"""Plans of new roots: lifetimes, resets and renewals."""

from datetime import timedelta

import pytest
from tuf.api.metadata import Targets

from server.core.limits import Reset, decode_lifetimes, decode_resets, reset_number
from server.core.release import Floor, decode_floor
from server.core.succession import check_role_content
from signer.ceremony.changes import HolderChange
from signer.ceremony.root_plan import (
    ResetRequest,
    latest_time,
    list_expiries,
    plan_lifetimes,
    plan_renewal,
    plan_reset,
)
from signer.errors import CeremonyError
from signer.keys.keystore import Keystore
from signer.signing import load_signed_roles, load_trusted
from signer.work_folder import WorkFolder
from tests.server.core.content.samples import make_pack_role
from tests.server.core.test_release import FULL, PATH
from tests.server.core.tuf_objects import make_role

DAY = timedelta(days=1)


@pytest.fixture
def before(repo):
    """Return the working folder's root and its signed roles."""
    trusted = load_trusted(WorkFolder(repo), None)
    return trusted.root, load_signed_roles(WorkFolder(repo), trusted, ["armani", "content"])


def reset(role="armani", counter=0, time=1_700_000_000, kept=None, holders=None):
    """Return a request to reset a role."""
    return ResetRequest(role, counter, time, kept, holders or HolderChange())


def test_plan_lifetimes(before, now):
    """Named lifetimes change, the others stay, and invalid ones are refused."""
    root, roles = before
    listed = {name: role.signed for name, role in roles.items()}
    planned = plan_lifetimes(root, listed, {"codenames": 200}, now)
    lifetimes = decode_lifetimes(planned["root"])
    assert (lifetimes.codenames, lifetimes.tables) == (200, decode_lifetimes(root).tables)
    assert planned["root"].version == root.version + 1
    with pytest.raises(CeremonyError, match="in force already"):
        plan_lifetimes(planned["root"], listed, {"codenames": 200}, now)
    with pytest.raises(CeremonyError, match="sign armani again"):
        plan_lifetimes(root, listed, {"codenames": 20}, now)
    for days in ({"armani": 20}, {"root": 20}, {"tables": 0}, {"tables": 3651}):
        with pytest.raises(CeremonyError, match="cannot be limited"):
            plan_lifetimes(root, listed, days, now)


def test_plan_reset(before, now) -> None:
    """Root and the role change, and the role may follow its former version."""
    root, roles = before
    planned = plan_reset(reset(), root, roles, now)
    assert planned.keys() == {"root", "armani"}
    assert decode_resets(planned["root"]) == {"armani": Reset(1, 0, 1_700_000_000)}
    role, old = planned["armani"], roles["armani"].signed
    assert (role.version, reset_number(role)) == (old.version + 1, 1)
    assert decode_floor(role) == Floor(schema=1, counter=0, time=1_700_000_000)
    check_role_content("armani", old, role, decode_resets(planned["root"]))
    again = plan_reset(reset(time=1), planned["root"], roles, now)
    assert decode_resets(again["root"])["armani"].number == 2


def test_invalid_reset_is_refused(before, now) -> None:
    """Only models have counters, and only models, tables and content have resets."""
    root, roles = before
    for request, message in (
        (reset(counter=None), "give --counter"),
        (reset(counter=1), "lists no counter above 0"),
        (reset("content"), "has no counters"),
        (reset("targets", None, None), "has no resets"),
    ):
        with pytest.raises(CeremonyError, match=message):
            plan_reset(request, root, roles, now)


def test_plan_reset_with_other_keys(before, now, made_keys):
    """Targets changes, too, and one version of the role follows both."""
    root, roles = before
    stolen = Keystore(made_keys).load_public_key("armani-1").keyid
    days = {"armani": 30, "root": 50, "targets": 40}
    holders = HolderChange(remove=(("armani", stolen),), thresholds={"armani": 1}, expiry_days=days)
    planned = plan_reset(reset(holders=holders), root, roles, now)
    assert planned.keys() == {"root", "targets", "armani"}
    versions = [planned[name].version for name in ("root", "targets", "armani")]
    current = [root, roles["targets"].signed, roles["armani"].signed]
    assert versions == [each.version + 1 for each in current]
    assert planned["armani"].expires - now <= 30 * DAY
    assert planned["root"].expires - now <= 50 * DAY
    assert planned["targets"].expires - now <= 40 * DAY
    with pytest.raises(CeremonyError, match="not an offline role here"):
        plan_reset(reset(holders=HolderChange(expiry_days={"dior": 3})), root, roles, now)


def test_reset_of_content_restores_packs(before, now):
    """Each pack is listed as version 1 and not withdrawn."""
    root, roles = before
    kept, _ = make_pack_role("content", {"notices": {}}, version=4)
    pack = kept.unrecognized_fields["custom"]["packs"]["notices"]
    pack |= {"version": 700, "withdrawn": [3, 700]}
    planned = plan_reset(reset("content", None, None, kept), root, roles, now)
    custom = planned["content"].unrecognized_fields["custom"]
    assert custom["reset"] == 1
    assert custom["packs"]["notices"] == {**pack, "version": 1, "withdrawn": []}
    assert planned["content"].targets == kept.targets
    resets = decode_resets(planned["root"])
    check_role_content("content", kept, planned["content"], resets)


def test_latest_time(now):
    """Builds dated up to a day ahead count, because phones install them."""
    at = int(now.timestamp())
    for ahead, expected in ((-60, 0), (3600, 3600), (86_400, 86_400), (86_401, 0)):
        role = make_role({PATH: FULL | {"post_timestamp": at + ahead}})
        assert latest_time(role, now) == at + expected


@pytest.fixture
def roles(now):
    """Return roles that expire in 10, 100 and 1 days."""
    return {
        name: Targets(version=version, expires=now + timedelta(days=days))
        for name, version, days in (("armani", 3, 10), ("dior", 1, 100), ("tables", 7, 1))
    }


def test_list_expiries(roles, now) -> None:
    """The role that expires soonest is first; days are rounded down."""
    found = list_expiries(roles)
    assert [(each.role, each.version, each.days_left(now)) for each in found] == [
        ("tables", 7, 1),
        ("armani", 3, 10),
        ("dior", 1, 100),
    ]
    assert found[0].days_left(now + timedelta(hours=1)) == 0
    assert found[0].days_left(now + timedelta(days=1, seconds=1)) == -1


def test_plan_renewal(roles, now) -> None:
    """A renewal has 90 days or those that are given, and changes nothing else."""
    planned = plan_renewal(["armani", "dior"], roles, {"dior": 200}, now)
    assert [(role, signed.version, signed.expires - now) for role, signed in planned.items()] == [
        ("armani", 4, timedelta(days=90)),
        ("dior", 2, timedelta(days=200)),
    ]
    assert roles["armani"].version == 3
    planned = plan_renewal(["dior"], roles, {"dior": 5}, now)
    assert planned["dior"].expires - now == timedelta(days=5)
    assert planned["dior"].expires < roles["dior"].expires


def test_invalid_renewal_is_refused(roles, now) -> None:
    """The roles must exist and expire later than before, unless days are given."""
    for names, days, sentence in (
        ([], {}, "No role is given"),
        (["cannon"], {}, "no role cannon"),
        (["dior"], {}, "sooner than it does already"),
        (["dior"], {"dior": 0}, "cannot expire after 0 days"),
        (["dior"], {"armani": 5}, "armani is not renewed here"),
    ):
        with pytest.raises(CeremonyError, match=sentence):
            plan_renewal(names, roles, days, now)
