import copy
import re
from datetime import timedelta

import pytest

from signer.ceremony.changes import HolderChange, plan_online
from signer.ceremony.plan import OnlineKeys, decode_online_keys
from signer.proposal.review import RENEWAL, list_unreviewed, review_transition
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder


def review(team, proposed, at=None):
    """Return the review of a proposal by role."""
    names = proposed.proposal.names
    found = review_transition(proposed.transition, names, at or team.now)
    return {each.role: each for each in found}


def grouped(keyid):
    """Return the first half of a key id in groups of four."""
    return " ".join(re.findall("....", keyid)[:8])


def test_review_of_renewal(team) -> None:
    """Only the expiry changes, and the review lists the signers."""
    result = review(team, team.renew("armani"))["armani"]
    assert (result.version, result.replaces, result.changes, result.warnings) == (
        2,
        1,
        (RENEWAL,),
        (),
    )
    assert result.signatures == "2 of armani-1, armani-2"
    assert result.expires == team.now + timedelta(days=90)


def test_review_of_root_rotation(team, new_keys) -> None:
    """The new key is shown with its id, and both sets of keys must sign."""
    added = new_keys.load_public_key("root-4")
    request = HolderChange((added,), (("root", team.public("root-2").keyid),))
    result = review(team, team.change_holders(request))["root"]
    (sentence,) = result.changes
    assert sentence == (
        f"Adds key id {grouped(added.keyid)}, to root; removes root-2 from root; from then on"
        " two signatures of three keys are enough."
    )
    assert result.signatures == (
        f"2 of root-1, root-2, root-3, and 2 of root-1, root-3, key {added.keyid[:16]}"
    )


def test_review_of_threshold(team) -> None:
    """A lower threshold is shown with its consequence and a warning."""
    result = review(team, team.change_holders(HolderChange(thresholds={"root": 1})))["root"]
    (sentence,) = result.changes
    assert sentence.startswith("Asks for 1 instead of 2 signatures of root; ")
    assert sentence.endswith("from then on one signature is enough, by any of three keys.")
    assert result.warnings == ("A thief of one key of root can sign it alone from then on.",)
    request = HolderChange((), (("armani", team.public("armani-2").keyid),), {"armani": 1})
    result = review(team, team.change_holders(request))["targets"]
    (sentence,) = result.changes
    assert sentence == (
        "Removes armani-2 from armani; asks for 1 instead of 2 signatures of armani; from then on"
        " one signature is enough, by its only key."
    )
    assert result.warnings == ("A thief of one key of armani can sign it alone from then on.",)


def test_review_of_log_key(team, online_file, now) -> None:
    """The new log key is shown completely, because phones trust the log by it."""
    keys = decode_online_keys(online_file)
    log = type(keys.log)(keys.log.name, bytes.fromhex(keys.snapshot))
    trusted = load_trusted(team.folder, None)
    other = OnlineKeys(keys.latest, keys.snapshot, keys.timestamp, log)
    planned = plan_online(
        trusted.root, trusted.targets, other, overlap=False, expiry_days={}, now=now
    )
    result = review(team, team.propose(planned))["root"]
    assert result.changes == (
        f"Replaces the log key: names {log} as the key of the transparency log.",
    )


def test_review_warns_of_expiry(team) -> None:
    """A short lifetime and one that makes a freeze attack long have warnings."""
    later = team.now + timedelta(days=85)
    result = review(team, team.renew("armani", at=later, days={"armani": 6}), at=later)
    assert result["armani"].warnings == ("It expires within a week.",)
    result = review(team, team.renew("armani", days={"armani": 181}))["armani"]
    assert result.warnings == ("A thief of online keys could keep phones on it for 181 days.",)


def test_review_of_unknown_members(team, trusted) -> None:
    """Unknown members are named wherever they are, with a warning."""
    trusted = load_trusted(team.folder, None)
    _, signed = load_delegated(team.folder, trusted, "armani")
    signed.version += 1
    signed.unrecognized_fields["custom"] = {"floor": 0, "schema": 1, "shops": [1]}
    result = review(team, team.propose({"armani": signed}))["armani"]
    assert result.changes == ("Changes members that this version cannot describe: custom.shops.",)
    assert result.warnings == ("Ask for their meaning before you sign, or read them in the file.",)
    for signed in (trusted.root, trusted.targets):
        assert list_unreviewed(None, signed) == []
        renewed = copy.deepcopy(signed)
        renewed.version += 1
        assert list_unreviewed(signed, renewed) == []
    later = copy.deepcopy(trusted.root)
    later.unrecognized_fields["mirrors"] = ["x"]
    later.unrecognized_fields["custom"]["second"] = 1
    later.roles["timestamp"].unrecognized_fields["limit"] = 1
    assert list_unreviewed(trusted.root, later) == ["custom.second", "mirrors", "timestamp.limit"]
    later = copy.deepcopy(trusted.targets)
    later.unrecognized_fields["custom"] = [1]
    later.delegations.unrecognized_fields["order"] = "x"
    later.delegations.roles["armani"].unrecognized_fields["min"] = 1
    assert list_unreviewed(trusted.targets, later) == ["armani.min", "custom", "delegations.order"]
    before = copy.deepcopy(trusted.root)
    before.unrecognized_fields["mirrors"] = ["x"]
    assert list_unreviewed(before, trusted.root) == ["mirrors"]


@pytest.fixture
def trusted(repo):
    """Return root and targets of the repository."""
    return load_trusted(WorkFolder(repo), None)
