import copy
import shutil

import msgspec
import pytest
from tuf.api.metadata import Metadata

from server.core.metadata import encode_metadata, verify_role, verify_root
from server.core.proposal import MetadataText
from signer.ceremony.changes import HolderChange
from signer.ceremony.initial import group_keys
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
from signer.proposal.document import Change, check_anchor, encode_proposal
from signer.proposal.propose import load_proposal, propose_change
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder
from tests.cases import case


def test_accept_signatures(team) -> None:
    """The folder verifies with the new versions, and accepting again changes nothing."""
    proposed = team.renew("armani")
    context = {(file.role, file.version): file.data for file in proposed.proposal.context}
    assert context == {
        (role, 1): team.folder.load(role, 1) for role in ("root", "targets", "armani")
    }
    assert load_proposal(proposed.data, team.now).identity == proposed.identity
    assert proposed.proposal.names[team.public("armani-1").keyid] == "armani-1"
    proposed = team.renew("armani", "content")
    files = team.sign(proposed, "alice", "bob")
    accepted = accept_signatures(team.folder, proposed, files)
    assert sorted(accepted) == [("armani", 2), ("content", 2)]
    trusted = load_trusted(team.folder, team.now)
    assert load_delegated(team.folder, trusted, "armani")[0] == accepted["armani", 2]
    assert accept_signatures(team.folder, proposed, files) == accepted
    assert find_accepted(team.folder, proposed.proposal) == accepted


def test_second_proposal_for_one_version_is_refused(team) -> None:
    """The first one stays; other models are not affected."""
    first, second = team.renew("armani"), team.renew("armani", days={"armani": 100})
    third = team.renew("dior")
    accepted = accept_signatures(team.folder, first, team.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has armani 2 by now"):
        accept_signatures(team.folder, second, team.sign(second, "alice", "bob"))
    accept_signatures(team.folder, third, team.sign(third, "carol"))
    assert team.folder.load("armani", 2) == accepted["armani", 2]
    assert team.folder.load_versions()["dior"] == [1, 2]


def test_proposal_for_other_state_is_refused(team, tmp_path) -> None:
    """The folder must have the versions that the proposal is based on."""
    proposed = team.renew("armani")
    files = team.sign(proposed, "alice", "bob")
    with pytest.raises(EnvironmentFailedError, match="does not exist"):
        accept_signatures(WorkFolder(tmp_path / "empty"), proposed, files)
    behind = WorkFolder(shutil.copytree(team.folder.folder, tmp_path / "behind"))
    first = team.renew("armani")
    accept_signatures(team.folder, first, team.sign(first, "alice", "bob"))
    second = team.renew("armani")
    with pytest.raises(ProposalError, match=r"has armani 1 only.*before this one first"):
        accept_signatures(behind, second, team.sign(second, "alice", "bob"))


def test_folder_is_locked_while_it_changes(team) -> None:
    """The second change is refused until the first is done."""
    other = WorkFolder(team.folder.folder)
    with (
        team.folder.changing(),
        pytest.raises(EnvironmentFailedError, match="Another process"),
        other.changing(),
    ):
        raise AssertionError("two at once")
    with other.changing():
        assert other.exists()


def test_interrupted_acceptance_is_completed(team) -> None:
    """The versions in `accepting` are valid, and the next change moves them."""
    proposed = team.renew("armani", "content")
    files = team.sign(proposed, "alice", "bob")
    accepting = team.folder.folder / "accepting"
    accepted = accept_signatures(team.folder, proposed, files)
    accepting.mkdir()
    for (role, version), data in accepted.items():
        (team.folder.metadata / f"{version}.{role}.json").unlink()
        (accepting / f"{version}.{role}.json").write_bytes(data)
    assert team.folder.load_versions()["armani"] == [1, 2]
    assert team.folder.load("armani", 2) == accepted["armani", 2]
    with team.folder.changing():
        assert not accepting.exists()
    assert team.folder.load("armani", 2) == accepted["armani", 2]


def test_unexpected_file_in_accepting_is_refused(team) -> None:
    """Only role versions are moved."""
    accepting = team.folder.folder / "accepting"
    accepting.mkdir()
    (accepting / "notes.txt").write_text("x")
    with pytest.raises(WorkFolderError, match="does not belong"), team.folder.changing():
        raise AssertionError("taken over")


def test_outdated_root_is_refused(team) -> None:
    """The keys of targets may have changed since the proposal."""
    late = team.renew("targets")
    files = team.sign(late, "alice", "bob")
    request = HolderChange(thresholds={"targets": 1})
    first = team.change_holders(request)
    accept_signatures(team.folder, first, team.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has root 2 by now"):
        accept_signatures(team.folder, late, files)
    assert team.folder.load_versions()["targets"] == [1]
    load_trusted(team.folder, team.now)


def test_outdated_targets_is_refused(team) -> None:
    """The keys of a model may have changed since the proposal."""
    late = team.renew("dior")
    request = HolderChange(
        remove=(("armani", team.public("armani-2").keyid),), thresholds={"armani": 1}
    )
    first = team.change_holders(request)
    accept_signatures(team.folder, first, team.sign(first, "alice", "bob"))
    with pytest.raises(ProposalError, match="has targets 2 by now"):
        accept_signatures(team.folder, late, team.sign(late, "carol"))


def test_foreign_root_is_refused(team, new_keys, passphrases) -> None:
    """A proposal with its own root is refused, however well it is signed."""
    own = new_keys.load_public_key("root-4")
    trusted = load_trusted(team.folder, None)
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
    real = team.renew("armani").proposal
    context = [
        MetadataText("root", 1, encode_metadata(first).decode()) if file.role == "root" else file
        for file in real.context
    ]
    lying = msgspec.structs.replace(
        real,
        context=context,
        changes=[MetadataText("root", 2, encode_metadata(Metadata(follower)).decode())],
    )
    proposed = load_proposal(encode_proposal(lying), team.now)
    file = sign_proposal(
        proposed.transition,
        proposed.identity,
        new_keys,
        find_holdings(proposed.transition, new_keys),
        passphrases,
    )
    with pytest.raises(ProposalError, match="another root 1"):
        accept_signatures(team.folder, proposed, [file])
    assert team.folder.load_versions()["root"] == [1]
    with pytest.raises(ProposalError, match="do not sign it"):
        check_anchor(lying, team.folder.load("root", 1))


def test_existing_folder_is_not_replaced(team, made_keys, online_file, now) -> None:
    """The first proposal of another repository is refused."""
    keys = Keystore(made_keys).load_public_keys()
    policy = Policy(("armani", "dior"), {"root": 1})
    planned = plan_ceremony(policy, group_keys(keys), decode_online_keys(online_file), now)
    proposed = propose_change(WorkFolder(team.folder.folder / "new"), Change(planned), keys, now)
    with pytest.raises(ProposalError, match="holds a repository already"):
        accept_signatures(team.folder, proposed, team.sign(proposed, "alice", "bob", "carol"))


def collect(proposed, files):
    """Return the signatures of `files` by role."""
    return collect_signatures(proposed.transition, proposed.identity, files)


def test_two_signatures_reach_the_threshold(team) -> None:
    """The bytes have both signatures and verify like on a phone."""
    proposed = team.renew("armani")
    signatures = collect(proposed, team.sign(proposed, "alice", "bob"))
    (data,) = assemble_files(proposed.transition, signatures).values()
    signed = verify_role("armani", data, proposed.transition.after.targets, team.now)
    assert signed.signed.version == 2
    assert set(signed.signatures) == {team.public(f"armani-{n}").keyid for n in (1, 2)}


def test_one_of_two_signatures_is_not_enough(team, repo, tree) -> None:
    """Nothing is assembled or written; two signatures of one key count once."""
    proposed = team.renew("armani")
    signatures = collect(proposed, team.sign(proposed, "alice"))
    (tally,) = tally_signatures(proposed.transition, signatures)
    assert (tally.role, tally.threshold, tally.missing) == ("armani", 2, 1)
    assert tally.waiting == (team.public("armani-2").keyid,)
    with pytest.raises(ProposalError, match="does not have the required signatures"):
        assemble_files(proposed.transition, signatures)
    files = team.sign(proposed, "alice", "alice")
    assert tally_signatures(proposed.transition, collect(proposed, files))[0].missing == 1
    proposed = team.renew("armani", "content")
    before = tree(repo)
    with pytest.raises(
        ProposalError, match=r"^armani has 1 of the 2 signatures .* signed by armani-2\.$"
    ):
        accept_signatures(team.folder, proposed, team.sign(proposed, "alice"))
    assert tree(repo) == before


def test_new_root_needs_old_and_new_keys(team, new_keys) -> None:
    """A key in both roots counts for both thresholds."""
    added = new_keys.load_public_key("root-4")
    removed = team.public("root-2").keyid
    proposed = team.change_holders(HolderChange((added,), (("root", removed),)))
    signatures = collect(proposed, team.sign(proposed, "alice", "bob"))
    old, new = tally_signatures(proposed.transition, signatures)
    assert (old.judge, old.missing) == ("the old root", 0)
    assert (new.judge, new.missing) == ("the new root", 1)
    assert new.waiting == tuple(sorted((added.keyid, team.public("root-3").keyid)))
    files = team.sign(proposed, "alice", "bob", "carol")
    data = assemble_files(proposed.transition, collect(proposed, files))
    root = proposed.transition.before.root
    assert verify_root(data["root", 2], root, team.now).signed.version == 2


def test_invalid_signature_is_refused(team) -> None:
    """Signatures of other proposals, roles and keys and invalid ones are refused."""
    seen, other = team.renew("armani"), team.renew("armani", days={"armani": 100})
    with pytest.raises(ProposalError, match="is for the proposal"):
        collect(other, team.sign(seen, "alice"))
    for change, sentence in (
        ({"role": "dior"}, "does not change"),
        ({"keyid": "0" * 64}, "and may not"),
        ({"sig": "0" * 128}, "is not valid"),
    ):
        with case(change):
            (file,) = team.sign(seen, "alice")
            changed = [msgspec.structs.replace(file.signatures[0], **change)]
            with pytest.raises(ProposalError, match=sentence):
                collect(seen, [msgspec.structs.replace(file, signatures=changed)])
