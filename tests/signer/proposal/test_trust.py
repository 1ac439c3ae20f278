from datetime import timedelta

import msgspec
import pytest
from tuf.api.metadata import Metadata, TargetFile

from server.core.metadata import encode_metadata
from signer.ceremony.changes import HolderChange
from signer.errors import ProposalError
from signer.proposal.document import MetadataText, check_anchor
from signer.proposal.trust import verify_proposal
from tests.cases import case
from tests.server.ceremony import release


def with_changes(proposal, **data):
    """Return a proposal with the new bytes of some roles replaced."""
    changes = [
        replace_text(file, data[file.role]) if file.role in data else file
        for file in proposal.changes
    ]
    return msgspec.structs.replace(proposal, changes=changes)


def replace_text(file, data) -> MetadataText:
    """Return a file with other bytes."""
    return MetadataText(file.role, file.version, data.decode())


def with_context(proposal, keep):
    """Return a proposal with only the context files that `keep` answers true for."""
    context = [file for file in proposal.context if keep(file)]
    return msgspec.structs.replace(proposal, context=context)


def edited(proposal, role, edit) -> bytes:
    """Return the new bytes of a role after `edit` of what they say."""
    (file,) = (file for file in proposal.changes if file.role == role)
    metadata = Metadata.from_bytes(file.data)
    edit(metadata.signed)
    return encode_metadata(metadata)


def test_a_renewal_is_a_transition(office, new_keys) -> None:
    """What is before and after is told apart; both roots' keys may sign a new root."""
    transition = office.renew("armani", "root", "targets").transition
    assert list(transition.new) == ["root", "targets", "armani"]
    assert (transition.before.root.version, transition.after.root.version) == (1, 2)
    assert transition.after.roles["armani"].version == 2
    assert set(transition.signing_keys("armani")) == {
        office.public("armani-1").keyid,
        office.public("armani-2").keyid,
    }
    added = new_keys.load_public_key("root-4")
    order = HolderChange((added,), (("root", office.public("root-2").keyid),))
    keys = office.holders(order).transition.signing_keys("root")
    assert set(keys) == {added.keyid, *(office.public(f"root-{n}").keyid for n in (1, 2, 3))}
    assert keys[added.keyid] == added.public


def test_what_has_expired_is_refused(office) -> None:
    """No holder is asked to sign what no phone accepts; an expired root must be renewed along."""
    proposal = office.renew("armani", "targets", days={"armani": 100, "targets": 200}).proposal
    with pytest.raises(ProposalError, match="armani 2 expired on 2026-09-09"):
        verify_proposal(proposal, office.now + timedelta(days=101))
    later = office.now + timedelta(days=400)
    office.renew("root", "targets", at=later)
    with pytest.raises(ProposalError, match="root 1 expired"):
        office.renew("targets", at=later)


def test_the_next_version_follows_the_one_that_is_there(office) -> None:
    """None is skipped, and no existing role is passed off as a new one."""
    proposal = office.renew("armani").proposal
    without = with_context(proposal, lambda file: file.role != "armani")
    for version, base, sentence in (
        (3, proposal, "armani 3 was proposed; 2 comes next"),
        (1, without, "does not contain the version of armani"),
    ):
        data = edited(proposal, "armani", lambda signed, v=version: setattr(signed, "version", v))
        changes = [MetadataText("armani", version, data.decode())]
        with case(version), pytest.raises(ProposalError, match=sentence):
            verify_proposal(msgspec.structs.replace(base, changes=changes), office.now)


def test_a_context_is_believed_by_its_signatures_only(office) -> None:
    """Changed, under another name, or with a gap it is refused; root and targets are needed."""
    proposal = office.renew("armani").proposal

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
            verify_proposal(bad, office.now)


def test_a_signed_change_is_refused(office) -> None:
    """What is to be signed carries no signatures yet and has one encoding."""
    proposal = office.renew("armani").proposal
    spaced = proposal.changes[0].data.replace(b'"signatures":', b'"signatures": ')
    with pytest.raises(ProposalError, match="unsigned form"):
        verify_proposal(with_changes(proposal, armani=spaced), office.now)
    (old,) = (file for file in proposal.context if file.role == "armani")
    with pytest.raises(ProposalError):
        verify_proposal(with_changes(proposal, armani=old.data), office.now)


def test_a_change_that_breaks_the_profile_is_refused(office) -> None:
    """Whoever planned it, the same judgement is asked before each signature."""

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
        proposal = office.renew(role).proposal
        bad = with_changes(proposal, **{role: edited(proposal, role, edit)})
        with case(sentence), pytest.raises(ProposalError, match=sentence):
            verify_proposal(bad, office.now)


def test_a_role_that_loses_its_signatures_must_be_signed_again(office, new_keys) -> None:
    """Taking away a key that signed a role's version is refused unless the role comes along."""
    order = HolderChange((), (("armani", office.public("armani-2").keyid),), {"armani": 1})
    fine = office.holders(order)
    assert list(fine.transition.new) == ["targets"]  # armani-1 has signed it, too
    lacking = with_context(fine.proposal, lambda file: file.role != "armani")
    with pytest.raises(ProposalError, match="does not contain it"):
        verify_proposal(lacking, office.now)
    # Two signatures stay asked, and of those that it has one is by the key that goes.
    proposal = office.holders(HolderChange((new_keys.load_public_key("armani-3"),), order.remove))
    changes = [file for file in proposal.proposal.changes if file.role == "targets"]
    with pytest.raises(ProposalError, match="armani"):
        verify_proposal(msgspec.structs.replace(proposal.proposal, changes=changes), office.now)


def test_the_pinned_root_must_be_in_the_chain(office, online_file) -> None:
    """A proposal that builds on another repository is noticed by its root."""
    proposal = office.renew("armani").proposal
    pinned = office.folder.load("root", 1)
    check_anchor(proposal, pinned)
    with pytest.raises(ProposalError, match="do not sign it"):
        check_anchor(with_context(proposal, lambda file: file.role != "root"), pinned)
    with pytest.raises(ProposalError):
        check_anchor(proposal, online_file)
