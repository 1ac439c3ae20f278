from datetime import timedelta

import msgspec
import pytest
from tuf.api.metadata import Metadata, TargetFile

from server.core.metadata import encode_metadata
from server.core.proposal import MetadataText
from signer.ceremony.changes import HolderChange
from signer.errors import ProposalError
from signer.proposal.document import check_anchor
from signer.proposal.trust import verify_proposal
from tests.cases import case
from tests.server.ceremony import release


def with_changes(proposal, **data):
    """Return a proposal with other bytes of some roles."""
    changes = [
        replace_text(file, data[file.role]) if file.role in data else file
        for file in proposal.changes
    ]
    return msgspec.structs.replace(proposal, changes=changes)


def replace_text(file, data) -> MetadataText:
    """Return a file with other bytes."""
    return MetadataText(file.role, file.version, data.decode())


def with_context(proposal, keep):
    """Return a proposal with the context files that `keep` selects."""
    context = [file for file in proposal.context if keep(file)]
    return msgspec.structs.replace(proposal, context=context)


def edited(proposal, role, edit) -> bytes:
    """Return the new bytes of a role after `edit` of its metadata."""
    (file,) = (file for file in proposal.changes if file.role == role)
    metadata = Metadata.from_bytes(file.data)
    edit(metadata.signed)
    return encode_metadata(metadata)


def test_transition(team, new_keys) -> None:
    """A transition has the state before and after; keys of both roots may sign a new root."""
    transition = team.renew("armani", "root", "targets").transition
    assert list(transition.new) == ["root", "targets", "armani"]
    assert (transition.before.root.version, transition.after.root.version) == (1, 2)
    assert transition.after.roles["armani"].version == 2
    assert set(transition.signing_keys("armani")) == {
        team.public("armani-1").keyid,
        team.public("armani-2").keyid,
    }
    added = new_keys.load_public_key("root-4")
    request = HolderChange((added,), (("root", team.public("root-2").keyid),))
    keys = team.change_holders(request).transition.signing_keys("root")
    assert set(keys) == {added.keyid, *(team.public(f"root-{n}").keyid for n in (1, 2, 3))}
    assert keys[added.keyid] == added.public


def test_expired_role_is_refused(team) -> None:
    """Expired versions are not signed; an expired root must be renewed first."""
    proposal = team.renew("armani", "targets", days={"armani": 100, "targets": 200}).proposal
    with pytest.raises(ProposalError, match="armani 2 expired on 2026-09-09"):
        verify_proposal(proposal, team.now + timedelta(days=101))
    later = team.now + timedelta(days=400)
    team.renew("root", "targets", at=later)
    with pytest.raises(ProposalError, match="root 1 expired"):
        team.renew("targets", at=later)


def test_version_must_follow(team) -> None:
    """No version is skipped, and an existing role cannot start again."""
    proposal = team.renew("armani").proposal
    without = with_context(proposal, lambda file: file.role != "armani")
    for version, base, sentence in (
        (3, proposal, "armani 3 was proposed; 2 comes next"),
        (1, without, "does not contain the version of armani"),
    ):
        data = edited(proposal, "armani", lambda signed, v=version: setattr(signed, "version", v))
        changes = [MetadataText("armani", version, data.decode())]
        with case(version), pytest.raises(ProposalError, match=sentence):
            verify_proposal(msgspec.structs.replace(base, changes=changes), team.now)


def test_context_must_be_signed(team) -> None:
    """Changed, renamed and missing context files are refused."""
    proposal = team.renew("armani").proposal

    def change(role, edit):
        context = [edit(file) if file.role == role else file for file in proposal.context]
        return msgspec.structs.replace(proposal, context=context)

    def later(file):
        return replace_text(file, file.data.replace(b"2026-", b"2036-").replace(b"2027-", b"2037-"))

    for bad, sentence in (
        *((change(role, later), ".") for role in ("root", "targets", "armani")),
        (change("armani", lambda file: MetadataText(file.role, 7, file.text)), "another version"),
        (with_context(proposal, lambda file: file.role != "root"), "."),
        (with_context(proposal, lambda file: file.role != "targets"), "."),
        (with_context(proposal, lambda _file: False), "first root and targets"),
    ):
        with case(sentence), pytest.raises(ProposalError, match=sentence):
            verify_proposal(bad, team.now)


def test_changes_must_be_unsigned(team) -> None:
    """A change has no signatures and one encoding."""
    proposal = team.renew("armani").proposal
    spaced = proposal.changes[0].data.replace(b'"signatures":', b'"signatures": ')
    with pytest.raises(ProposalError, match="unsigned form"):
        verify_proposal(with_changes(proposal, armani=spaced), team.now)
    (old,) = (file for file in proposal.context if file.role == "armani")
    with pytest.raises(ProposalError):
        verify_proposal(with_changes(proposal, armani=old.data), team.now)


def test_change_must_follow_the_profile(team) -> None:
    """The rules are checked before each signature."""

    def drop(signed) -> None:
        for keyid in list(signed.delegations.roles["dior"].keyids):
            signed.revoke_key(keyid, "dior")
        del signed.delegations.roles["dior"]

    def raise_threshold(signed) -> None:
        signed.delegations.roles["armani"].threshold = 3

    def add(path, more=None):
        target = TargetFile(3, {"sha256": "0" * 64}, path, more)
        return lambda signed: signed.targets.update({path: target})

    custom = {"custom": release(1, changelog={"en": "a\u202eb"})}
    for role, edit, sentence in (
        ("targets", drop, "drops dior"),
        ("targets", raise_threshold, "requires 3 signatures but has 2 keys"),
        ("armani", add("dior/id/stable/x.zip"), "not a path of this role"),
        (
            "armani",
            add("armani/id/stable/a.zip", custom),
            r"a new changelog in en .* holds U\+202E",
        ),
    ):
        proposal = team.renew(role).proposal
        bad = with_changes(proposal, **{role: edited(proposal, role, edit)})
        with case(sentence), pytest.raises(ProposalError, match=sentence):
            verify_proposal(bad, team.now)


def test_role_that_loses_a_signature_is_signed_again(team, new_keys) -> None:
    """Removing a key that signed a role is refused unless the role is signed again."""
    request = HolderChange((), (("armani", team.public("armani-2").keyid),), {"armani": 1})
    allowed = team.change_holders(request)
    assert list(allowed.transition.new) == [
        "targets"
    ]  # armani-1 has signed the current version, too
    lacking = with_context(allowed.proposal, lambda file: file.role != "armani")
    with pytest.raises(ProposalError, match="does not contain it"):
        verify_proposal(lacking, team.now)
    # The threshold stays 2, and one of the two signatures is by the removed key.
    proposal = team.change_holders(
        HolderChange((new_keys.load_public_key("armani-3"),), request.remove)
    )
    changes = [file for file in proposal.proposal.changes if file.role == "targets"]
    with pytest.raises(ProposalError, match="armani"):
        verify_proposal(msgspec.structs.replace(proposal.proposal, changes=changes), team.now)


def test_pinned_root_must_be_in_the_chain(team, online_file) -> None:
    """A proposal for another repository is detected by its root."""
    proposal = team.renew("armani").proposal
    pinned = team.folder.load("root", 1)
    check_anchor(proposal, pinned)
    with pytest.raises(ProposalError, match="do not sign it"):
        check_anchor(with_context(proposal, lambda file: file.role != "root"), pinned)
    with pytest.raises(ProposalError):
        check_anchor(proposal, online_file)
