import hashlib
import json

import pytest

from server.core.bundle import decode_bundle
from signer.ceremony.first import group_keys
from signer.ceremony.online_keys import decode_online_keys
from signer.ceremony.plan import Policy, plan_ceremony
from signer.errors import ProposalError, SurroundingsError, WorkFolderError
from signer.keys.keystore import Keystore
from signer.proposal.change import Change, Package
from signer.proposal.desk import (
    accept_signatures,
    find_accepted,
    load_proposal,
    propose_change,
    sign_at_once,
    submit_proposals,
)
from signer.proposal.document import decode_proposal
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder


def test_a_proposal_carries_what_it_replaces(office) -> None:
    """Root, targets and the current version of the role travel with it, octet by octet."""
    proposed = office.renew("armani")
    context = {(file.role, file.version): file.data for file in proposed.proposal.context}
    assert context == {
        (role, 1): office.folder.load(role, 1) for role in ("root", "targets", "armani")
    }
    assert load_proposal(proposed.octets, office.now).identity == proposed.identity
    assert proposed.proposal.names[office.public("armani-1").keyid] == "armani-1"


def test_proposing_writes_nothing(office, repo, tree) -> None:
    """The working folder is as it was."""
    before = tree(repo)
    office.renew("armani")
    assert tree(repo) == before


def test_accepted_versions_are_the_folders(office) -> None:
    """The folder verifies with the new version then, and a second time changes nothing."""
    proposed = office.renew("armani", "content")
    files = office.sign(proposed, "alice", "bob")
    accepted = accept_signatures(office.folder, proposed, files)
    assert sorted(accepted) == [("armani", 2), ("content", 2)]
    trusted = load_trusted(office.folder, office.now)
    assert load_delegated(office.folder, trusted, "armani")[0] == accepted["armani", 2]
    assert accept_signatures(office.folder, proposed, files) == accepted
    assert find_accepted(office.folder, proposed.proposal) == accepted


def test_a_threshold_that_is_not_met_changes_nothing(office, repo, tree) -> None:
    """The sentence says which role, how many there are, and who can still sign."""
    proposed = office.renew("armani", "content")
    before = tree(repo)
    with pytest.raises(ProposalError, match=r"armani has 1 of the 2 signatures .* by armani-2\.$"):
        accept_signatures(office.folder, proposed, office.sign(proposed, "alice"))
    assert tree(repo) == before


def test_the_second_of_two_proposals_is_refused(office) -> None:
    """Both were made for version 1; what was accepted first stays."""
    first, second = office.renew("armani"), office.renew("armani", days={"armani": 100})
    accepted = accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has armani 2 by now"):
        accept_signatures(office.folder, second, office.sign(second, "alice", "bob"))
    assert office.folder.load("armani", 2) == accepted["armani", 2]


def test_a_proposal_for_other_roles_is_taken_after_another(office) -> None:
    """Two models are changed independently of each other."""
    first, second = office.renew("armani"), office.renew("dior")
    accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    accept_signatures(office.folder, second, office.sign(second, "carol"))
    assert office.folder.load_versions()["dior"] == [1, 2]


def test_a_proposal_of_another_repository_is_refused(office, tmp_path) -> None:
    """A change is not taken over where there is no repository."""
    proposed = office.renew("armani")
    files = office.sign(proposed, "alice", "bob")
    with pytest.raises(ProposalError, match="is no repository"):
        accept_signatures(WorkFolder(tmp_path / "empty"), proposed, files)


def test_a_bundle_holds_what_was_accepted(office, incoming, zips) -> None:
    """Roles and packages; the same again is the same bundle."""
    trusted = load_trusted(office.folder, None)
    _, role = load_delegated(office.folder, trusted, "armani")
    role.version += 1
    data = zips["first"].read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    change = Change({"armani": role}, (Package(zips["first"], len(data), digest),))
    proposed = propose_change(office.folder, change, [], office.now)
    with pytest.raises(ProposalError, match="ceremony accept"):
        submit_proposals(office.folder, [proposed.proposal], [], incoming)
    accept_signatures(office.folder, proposed, office.sign(proposed, "alice", "bob"))
    with pytest.raises(ProposalError, match=r"armani-first\.zip .* name it, too"):
        submit_proposals(office.folder, [proposed.proposal], [zips["second"]], incoming)
    submitted = submit_proposals(office.folder, [proposed.proposal], [zips["first"]], incoming)
    bundle = decode_bundle((incoming / submitted.bundle / "bundle.json").read_bytes())
    assert [(file.name, file.version) for file in bundle.roles] == [("armani", 2)]
    assert [blob.sha256 for blob in bundle.blobs] == [digest]
    again = submit_proposals(office.folder, [proposed.proposal], [zips["first"]], incoming)
    assert again == submitted


def test_signing_at_once_is_all_steps(office, incoming, passphrases) -> None:
    """With all keys at hand; the proposal is kept, so that it can be submitted again."""
    proposed = office.renew("armani", "tables")
    submitted = sign_at_once(office.folder, office.all_keys, passphrases, proposed, [], incoming)
    assert submitted.versions == {"armani": 2, "tables": 2}
    kept = office.folder.folder / "proposals" / f"{proposed.identity}.json"
    again = submit_proposals(office.folder, [decode_proposal(kept.read_bytes())], [], incoming)
    assert again == submitted


def test_signing_at_once_with_too_few_keys_changes_nothing(
    office, incoming, passphrases, repo, tree
) -> None:
    """One desk holds one of the two keys."""
    before = tree(repo)
    with pytest.raises(ProposalError, match="armani has 1 of the 2"):
        sign_at_once(
            office.folder, office.desk("alice"), passphrases, office.renew("armani"), [], incoming
        )
    assert tree(repo) == before
    assert list(incoming.iterdir()) == []


def test_two_people_do_not_change_one_folder_at_once(office) -> None:
    """The second is told to wait, and the folder is free again afterwards."""
    other = WorkFolder(office.folder.folder)
    with (
        office.folder.changing(),
        pytest.raises(SurroundingsError, match="Somebody else"),
        other.changing(),
    ):
        raise AssertionError("two at once")
    with other.changing():
        assert other.exists()


def test_a_cut_off_acceptance_is_completed_by_the_next_change(office) -> None:
    """What lies in `accepting` was signed and is taken over whole."""
    proposed = office.renew("armani", "content")
    files = office.sign(proposed, "alice", "bob")
    accepting = office.folder.folder / "accepting"
    accepted = accept_signatures(office.folder, proposed, files)
    accepting.mkdir()
    for (role, version), data in accepted.items():
        (office.folder.metadata / f"{version}.{role}.json").unlink()
        (accepting / f"{version}.{role}.json").write_bytes(data)
    assert office.folder.load_versions()["armani"] == [1]
    with office.folder.changing():
        assert office.folder.load_versions()["armani"] == [1, 2]
    assert not accepting.exists()


def test_a_foreign_file_among_them_is_refused(office) -> None:
    """Nothing is taken over that is not a role version."""
    accepting = office.folder.folder / "accepting"
    accepting.mkdir()
    (accepting / "notes.txt").write_text("x")
    with pytest.raises(WorkFolderError, match="does not belong"), office.folder.changing():
        raise AssertionError("taken over")


def test_a_first_repository_is_made_by_several(
    office, made_keys, online_file, now, tmp_path
) -> None:
    """Root 1 and all first versions are proposed, signed apart, and become a folder."""
    keys = Keystore(made_keys).load_public_keys()
    planned = plan_ceremony(
        Policy(("armani", "dior")), group_keys(keys), decode_online_keys(online_file), now
    )
    folder = WorkFolder(tmp_path / "new" / "repo")
    proposed = propose_change(folder, Change(planned), keys, now)
    assert proposed.proposal.context == []
    accept_signatures(folder, proposed, office.sign(proposed, "alice", "bob", "carol"))
    trusted = load_trusted(folder, now)
    assert json.loads(folder.load("root", 1))["signed"]["version"] == 1
    assert len(json.loads(folder.load("root", 1))["signatures"]) == 3
    assert load_delegated(folder, trusted, "dior")[1].version == 1
