import copy
import shutil

import msgspec
import pytest
from tuf.api.metadata import Metadata

from server.core.metadata import encode_metadata, verify_role, verify_root
from signer.ceremony.changes import HolderChange
from signer.ceremony.first import group_keys
from signer.ceremony.plan import decode_online_keys, plan_ceremony
from signer.ceremony.policy import Policy
from signer.errors import EnvironmentFailedError, ProposalError, WorkFolderError
from signer.keys.keystore import Keystore
from signer.proposal.accept import (
    accept_signatures,
    assemble_files,
    collect_signatures,
    find_accepted,
    tally_signatures,
)
from signer.proposal.document import Change, MetadataText, check_anchor, encode_proposal
from signer.proposal.propose import load_proposal, propose_change
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder
from tests.cases import case


def test_accepted_versions_are_the_folders(office) -> None:
    """The folder verifies with the new version then, and a second time changes nothing."""
    proposed = office.renew("armani")
    context = {(file.role, file.version): file.data for file in proposed.proposal.context}
    assert context == {
        (role, 1): office.folder.load(role, 1) for role in ("root", "targets", "armani")
    }
    assert load_proposal(proposed.data, office.now).identity == proposed.identity
    assert proposed.proposal.names[office.public("armani-1").keyid] == "armani-1"
    proposed = office.renew("armani", "content")
    files = office.sign(proposed, "alice", "bob")
    accepted = accept_signatures(office.folder, proposed, files)
    assert sorted(accepted) == [("armani", 2), ("content", 2)]
    trusted = load_trusted(office.folder, office.now)
    assert load_delegated(office.folder, trusted, "armani")[0] == accepted["armani", 2]
    assert accept_signatures(office.folder, proposed, files) == accepted
    assert find_accepted(office.folder, proposed.proposal) == accepted


def test_the_second_of_two_proposals_is_refused(office) -> None:
    """Both were made for version 1; what was accepted first stays, other models change freely."""
    first, second = office.renew("armani"), office.renew("armani", days={"armani": 100})
    third = office.renew("dior")
    accepted = accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has armani 2 by now"):
        accept_signatures(office.folder, second, office.sign(second, "alice", "bob"))
    accept_signatures(office.folder, third, office.sign(third, "carol"))
    assert office.folder.load("armani", 2) == accepted["armani", 2]
    assert office.folder.load_versions()["dior"] == [1, 2]


def test_a_proposal_of_another_repository_is_refused(office, tmp_path) -> None:
    """A change is taken over only where its past is: not elsewhere, ahead, or in its place."""
    proposed = office.renew("armani")
    files = office.sign(proposed, "alice", "bob")
    with pytest.raises(EnvironmentFailedError, match="does not exist"):
        accept_signatures(WorkFolder(tmp_path / "empty"), proposed, files)
    behind = WorkFolder(shutil.copytree(office.folder.folder, tmp_path / "behind"))
    first = office.renew("armani")
    accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    second = office.renew("armani")
    with pytest.raises(ProposalError, match=r"has armani 1 only.*before this one first"):
        accept_signatures(behind, second, office.sign(second, "alice", "bob"))


def test_two_people_do_not_change_one_folder_at_once(office) -> None:
    """The second gets an error, and the folder is free again afterwards."""
    other = WorkFolder(office.folder.folder)
    with (
        office.folder.changing(),
        pytest.raises(EnvironmentFailedError, match="Another process"),
        other.changing(),
    ):
        raise AssertionError("two at once")
    with other.changing():
        assert other.exists()


def test_a_cut_off_acceptance_is_completed_by_the_next_change(office) -> None:
    """What lies in `accepting` counts from then on, if it is a role version."""
    proposed = office.renew("armani", "content")
    files = office.sign(proposed, "alice", "bob")
    accepting = office.folder.folder / "accepting"
    accepted = accept_signatures(office.folder, proposed, files)
    accepting.mkdir()
    for (role, version), data in accepted.items():
        (office.folder.metadata / f"{version}.{role}.json").unlink()
        (accepting / f"{version}.{role}.json").write_bytes(data)
    assert office.folder.load_versions()["armani"] == [1, 2]
    assert office.folder.load("armani", 2) == accepted["armani", 2]
    with office.folder.changing():
        assert not accepting.exists()
    assert office.folder.load("armani", 2) == accepted["armani", 2]
    accepting = office.folder.folder / "accepting"
    accepting.mkdir()
    (accepting / "notes.txt").write_text("x")
    with pytest.raises(WorkFolderError, match="does not belong"), office.folder.changing():
        raise AssertionError("taken over")


def test_a_proposal_for_a_delegator_that_went_on_is_refused(office) -> None:
    """Who may sign targets, or a model, has changed since it was proposed."""
    late = office.renew("targets")
    files = office.sign(late, "alice", "bob")
    order = HolderChange(thresholds={"targets": 1})
    first = office.holders(order)
    accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has root 2 by now"):
        accept_signatures(office.folder, late, files)
    assert office.folder.load_versions()["targets"] == [1]
    load_trusted(office.folder, office.now)
    late = office.renew("dior")
    order = HolderChange(
        remove=(("armani", office.public("armani-2").keyid),), thresholds={"armani": 1}
    )
    first = office.holders(order)
    accept_signatures(office.folder, first, office.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has targets 2 by now"):
        accept_signatures(office.folder, late, office.sign(late, "carol"))


def test_a_foreign_root_is_not_taken_over(office, new_keys, passphrases) -> None:
    """A proposal that brings a root of its own is refused, however well it is signed."""
    own = new_keys.load_public_key("root-4")
    trusted = load_trusted(office.folder, None)
    forged = copy.deepcopy(trusted.root)
    for keyid in list(forged.roles["root"].keyids):
        forged.revoke_key(keyid, "root")
    forged.add_key(own.tuf_key, "root")
    forged.roles["root"].threshold = 1
    signer = new_keys.load_signer(own, passphrases)
    first = Metadata(forged)
    first.sign(signer)
    follower = copy.deepcopy(forged)
    follower.version = 2
    real = office.renew("armani").proposal
    context = [
        MetadataText("root", 1, encode_metadata(first).decode()) if file.role == "root" else file
        for file in real.context
    ]
    lying = msgspec.structs.replace(
        real,
        context=context,
        changes=[MetadataText("root", 2, encode_metadata(Metadata(follower)).decode())],
    )
    proposed = load_proposal(encode_proposal(lying), office.now)
    file = sign_proposal(
        proposed.transition,
        proposed.identity,
        new_keys,
        find_holdings(proposed.transition, new_keys),
        passphrases,
    )
    with pytest.raises(ProposalError, match="another root 1"):
        accept_signatures(office.folder, proposed, [file])
    assert office.folder.load_versions()["root"] == [1]
    with pytest.raises(ProposalError, match="do not sign it"):
        check_anchor(lying, office.folder.load("root", 1))


def test_a_folder_that_is_there_is_not_begun_again(office, made_keys, online_file, now) -> None:
    """The first proposal of another repository is not for this folder."""
    keys = Keystore(made_keys).load_public_keys()
    policy = Policy(("armani", "dior"), {"root": 1})
    planned = plan_ceremony(policy, group_keys(keys), decode_online_keys(online_file), now)
    proposed = propose_change(WorkFolder(office.folder.folder / "new"), Change(planned), keys, now)
    with pytest.raises(ProposalError, match="holds a repository already"):
        accept_signatures(office.folder, proposed, office.sign(proposed, "alice", "bob", "carol"))


def collect(proposed, files):
    """Return the signatures of `files` by role."""
    return collect_signatures(proposed.transition, proposed.identity, files)


def test_two_holders_reach_the_threshold(office) -> None:
    """The bytes carry both signatures and verify as a phone verifies them."""
    proposed = office.renew("armani")
    signatures = collect(proposed, office.sign(proposed, "alice", "bob"))
    (data,) = assemble_files(proposed.transition, signatures).values()
    signed = verify_role("armani", data, proposed.transition.after.targets, office.now)
    assert signed.signed.version == 2
    assert set(signed.signatures) == {office.public(f"armani-{n}").keyid for n in (1, 2)}


def test_one_of_two_is_not_enough(office, repo, tree) -> None:
    """Nothing half-signed is assembled; a threshold is of distinct keys."""
    proposed = office.renew("armani")
    signatures = collect(proposed, office.sign(proposed, "alice"))
    (tally,) = tally_signatures(proposed.transition, signatures)
    assert (tally.role, tally.threshold, tally.missing) == ("armani", 2, 1)
    assert tally.waiting == (office.public("armani-2").keyid,)
    with pytest.raises(ProposalError, match="does not have the required signatures"):
        assemble_files(proposed.transition, signatures)
    files = office.sign(proposed, "alice", "alice")
    assert tally_signatures(proposed.transition, collect(proposed, files))[0].missing == 1
    proposed = office.renew("armani", "content")
    before = tree(repo)
    with pytest.raises(
        ProposalError, match=r"^armani has 1 of the 2 signatures .* signed by armani-2\.$"
    ):
        accept_signatures(office.folder, proposed, office.sign(proposed, "alice"))
    assert tree(repo) == before


def test_root_is_asked_of_old_and_new_holders(office, new_keys) -> None:
    """Two of the old three and two of the new three: a signature of a key in both counts twice."""
    added = new_keys.load_public_key("root-4")
    removed = office.public("root-2").keyid
    proposed = office.holders(HolderChange((added,), (("root", removed),)))
    signatures = collect(proposed, office.sign(proposed, "alice", "bob"))
    old, new = tally_signatures(proposed.transition, signatures)
    assert (old.judge, old.missing) == ("the old root", 0)
    assert (new.judge, new.missing) == ("the new root", 1)
    assert new.waiting == tuple(sorted((added.keyid, office.public("root-3").keyid)))
    files = office.sign(proposed, "alice", "bob", "carol")
    data = assemble_files(proposed.transition, collect(proposed, files))
    root = proposed.transition.before.root
    assert verify_root(data["root"], root, office.now).signed.version == 2


def test_a_signature_that_is_no_good_is_refused(office) -> None:
    """Of another proposal or role, by a key that may not sign, over other bytes."""
    seen, other = office.renew("armani"), office.renew("armani", days={"armani": 100})
    with pytest.raises(ProposalError, match="is for the proposal"):
        collect(other, office.sign(seen, "alice"))
    for change, sentence in (
        ({"role": "dior"}, "does not change"),
        ({"keyid": "0" * 64}, "and may not"),
        ({"sig": "0" * 128}, "is not valid"),
    ):
        with case(change):
            (file,) = office.sign(seen, "alice")
            changed = [msgspec.structs.replace(file.signatures[0], **change)]
            with pytest.raises(ProposalError, match=sentence):
                collect(seen, [msgspec.structs.replace(file, signatures=changed)])
