import copy
import re
from datetime import timedelta

import pytest

from signer.ceremony.changes import HolderChange, plan_online
from signer.ceremony.plan import OnlineKeys, decode_online_keys
from signer.proposal.review import RENEWAL, list_unreviewed, review_transition
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder


def review(office, proposed, at=None):
    """Return the review of a proposal by role."""
    names = proposed.proposal.names
    found = review_transition(proposed.transition, names, at or office.now)
    return {each.role: each for each in found}


def grouped(keyid):
    """Return the first half of a key id in groups of four, as people read it out."""
    return " ".join(re.findall("....", keyid)[:8])


def test_a_renewal_is_told_as_one(office) -> None:
    """Nothing but the expiry changes, and it is said who signs."""
    told = review(office, office.renew("armani"))["armani"]
    assert (told.version, told.replaces, told.changes, told.warnings) == (2, 1, (RENEWAL,), ())
    assert told.signatures == "2 of armani-1, armani-2"
    assert told.expires == office.now + timedelta(days=90)


def test_a_rotation_of_root_names_old_and_new_holders(office, new_keys) -> None:
    """The new key is shown with its id; both sets must sign."""
    added = new_keys.load_public_key("root-4")
    order = HolderChange((added,), (("root", office.public("root-2").keyid),))
    told = review(office, office.holders(order))["root"]
    (sentence,) = told.changes
    assert sentence == (
        f"Adds key id {grouped(added.keyid)}, to root; removes root-2 from root; from then on"
        " two signatures of three keys are enough."
    )
    assert told.signatures == (
        f"2 of root-1, root-2, root-3, and 2 of root-1, root-3, key {added.keyid[:16]}"
    )


def test_a_threshold_is_told_with_its_consequence(office) -> None:
    """A thief of one key could replace every other; who goes, and how many are asked for."""
    told = review(office, office.holders(HolderChange(thresholds={"root": 1})))["root"]
    (sentence,) = told.changes
    assert sentence.startswith("Asks for 1 instead of 2 signatures of root; ")
    assert sentence.endswith("from then on one signature is enough, by any of three keys.")
    assert told.warnings == ("A thief of one key of root can sign it alone from then on.",)
    order = HolderChange((), (("armani", office.public("armani-2").keyid),), {"armani": 1})
    told = review(office, office.holders(order))["targets"]
    (sentence,) = told.changes
    assert sentence == (
        "Removes armani-2 from armani; asks for 1 instead of 2 signatures of armani; from then on"
        " one signature is enough, by its only key."
    )
    assert told.warnings == ("A thief of one key of armani can sign it alone from then on.",)


def test_a_new_log_key_is_told(office, online_file, now) -> None:
    """Phones believe the log by this key, so it is named whole."""
    keys = decode_online_keys(online_file)
    log = type(keys.log)(keys.log.name, bytes.fromhex(keys.snapshot))
    trusted = load_trusted(office.folder, None)
    other = OnlineKeys(keys.latest, keys.snapshot, keys.timestamp, log)
    planned = plan_online(
        trusted.root, trusted.targets, other, overlap=False, expiry_days={}, now=now
    )
    told = review(office, office.propose(planned))["root"]
    assert told.changes == (
        f"Replaces the log key: names {log} as the key of the transparency log.",
    )


def test_short_and_long_lives_are_warned_of(office) -> None:
    """Phones refuse an expired role, and the expiry is what bounds a freeze."""
    later = office.now + timedelta(days=85)
    told = review(office, office.renew("armani", at=later, days={"armani": 6}), at=later)
    assert told["armani"].warnings == ("It expires within a week.",)
    told = review(office, office.renew("armani", days={"armani": 181}))["armani"]
    assert told.warnings == ("A thief of online keys could keep phones on it for 181 days.",)


def test_what_has_no_words_is_named_and_warned_of(office, trusted) -> None:
    """A member that this version does not know is not signed unseen, wherever it is."""
    trusted = load_trusted(office.folder, None)
    _, signed = load_delegated(office.folder, trusted, "armani")
    signed.version += 1
    signed.unrecognized_fields["custom"] = {"floor": 0, "schema": 1, "shops": [1]}
    told = review(office, office.propose({"armani": signed}))["armani"]
    assert told.changes == ("Changes members that this version cannot describe: custom.shops.",)
    assert told.warnings == ("Ask for their meaning before you sign, or read them in the file.",)
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
    """Return root and targets of a repository."""
    return load_trusted(WorkFolder(repo), None)
