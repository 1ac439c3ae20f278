from datetime import timedelta

import msgspec
import pytest
from tuf.api.metadata import Metadata, TargetFile

from server.core.metadata import encode_metadata
from signer.ceremony.changes import HolderChange
from signer.errors import ProposalError
from signer.proposal.document import MetadataText, check_anchor
from signer.proposal.trust import verify_proposal
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


def test_a_renewal_is_a_transition(office) -> None:
    """What is before and after is told apart; roles come in signing order."""
    transition = office.renew("armani", "root", "targets").transition
    assert list(transition.new) == ["root", "targets", "armani"]
    assert (transition.before.root.version, transition.after.root.version) == (1, 2)
    assert transition.after.roles["armani"].version == 2
    assert set(transition.signing_keys("armani")) == {
        office.public("armani-1").keyid,
        office.public("armani-2").keyid,
    }


def test_a_new_root_is_signed_by_old_and_new_holders(office, new_keys) -> None:
    """The keys that may sign are those of both roots, the removed one included."""
    added = new_keys.load_public_key("root-4")
    order = HolderChange((added,), (("root", office.public("root-2").keyid),))
    keys = office.holders(order).transition.signing_keys("root")
    assert set(keys) == {added.keyid, *(office.public(f"root-{n}").keyid for n in (1, 2, 3))}
    assert keys[added.keyid] == added.public


def test_an_expired_change_is_refused(office) -> None:
    """No holder is asked to sign what no phone accepts."""
    proposal = office.renew("armani", "targets", days={"armani": 100, "targets": 200}).proposal
    with pytest.raises(ProposalError, match="armani 2 expired on 2026-09-09"):
        verify_proposal(proposal, office.now + timedelta(days=101))


def test_an_expired_root_must_be_renewed_along(office) -> None:
    """A change below a root that has expired is refused, and one that renews it is not."""
    later = office.now + timedelta(days=400)
    office.renew("root", "targets", at=later)
    with pytest.raises(ProposalError, match="root 1 expired"):
        office.renew("targets", at=later)


def test_a_skipped_version_is_refused(office) -> None:
    """The next version is the one after the context's."""
    proposal = office.renew("armani").proposal

    def skip(signed) -> None:
        signed.version = 3

    changes = [MetadataText("armani", 3, edited(proposal, "armani", skip).decode())]
    with pytest.raises(ProposalError, match="armani 3 was proposed; 2 comes next"):
        verify_proposal(msgspec.structs.replace(proposal, changes=changes), office.now)


def test_the_version_that_is_replaced_must_be_there(office) -> None:
    """A proposal cannot pass an existing role off as a new one."""
    proposal = office.renew("armani").proposal

    def first(signed) -> None:
        signed.version = 1

    changes = [MetadataText("armani", 1, edited(proposal, "armani", first).decode())]
    lying = with_context(proposal, lambda file: file.role != "armani")
    with pytest.raises(ProposalError, match="does not bring the version of armani"):
        verify_proposal(msgspec.structs.replace(lying, changes=changes), office.now)


@pytest.mark.parametrize("role", ["root", "targets"])
def test_a_context_with_a_gap_is_refused(office, role) -> None:
    """Root and targets are needed to judge anything."""
    proposal = office.renew("armani").proposal
    with pytest.raises(ProposalError):
        verify_proposal(with_context(proposal, lambda file: file.role != role), office.now)


@pytest.mark.parametrize("role", ["root", "targets", "armani"])
def test_a_changed_context_is_refused(office, role) -> None:
    """The context is believed by its signatures only."""
    proposal = office.renew("armani").proposal
    context = [
        replace_text(file, file.data.replace(b"2026-", b"2036-").replace(b"2027-", b"2037-"))
        if file.role == role
        else file
        for file in proposal.context
    ]
    with pytest.raises(ProposalError):
        verify_proposal(msgspec.structs.replace(proposal, context=context), office.now)


def test_a_context_under_another_name_is_refused(office) -> None:
    """A file is the version that it says, and the role that it is called."""
    proposal = office.renew("armani").proposal
    context = [
        MetadataText(file.role, 7, file.text) if file.role == "armani" else file
        for file in proposal.context
    ]
    with pytest.raises(ProposalError, match="another version"):
        verify_proposal(msgspec.structs.replace(proposal, context=context), office.now)


def test_a_signed_change_is_refused(office) -> None:
    """What is to be signed carries no signatures yet and has one encoding."""
    proposal = office.renew("armani").proposal
    spaced = proposal.changes[0].data.replace(b'"signatures":', b'"signatures": ')
    with pytest.raises(ProposalError, match="unsigned form"):
        verify_proposal(with_changes(proposal, armani=spaced), office.now)
    (old,) = (file for file in proposal.context if file.role == "armani")
    with pytest.raises(ProposalError):
        verify_proposal(with_changes(proposal, armani=old.data), office.now)


def test_a_dropped_role_is_refused(office) -> None:
    """A role that was published stays delegated to for ever."""
    proposal = office.renew("targets").proposal

    def drop(signed) -> None:
        for keyid in list(signed.delegations.roles["dior"].keyids):
            signed.revoke_key(keyid, "dior")
        del signed.delegations.roles["dior"]

    with pytest.raises(ProposalError, match="drops dior"):
        verify_proposal(
            with_changes(proposal, targets=edited(proposal, "targets", drop)), office.now
        )


def test_a_threshold_over_the_keys_is_refused(office) -> None:
    """The profile is asked of what is to be signed."""
    proposal = office.renew("targets").proposal

    def raise_threshold(signed) -> None:
        signed.delegations.roles["armani"].threshold = 3

    with pytest.raises(ProposalError, match="asks for 3 signatures and has 2 keys"):
        verify_proposal(
            with_changes(proposal, targets=edited(proposal, "targets", raise_threshold)),
            office.now,
        )


def test_a_foreign_path_is_refused(office) -> None:
    """A model's role lists what is its own."""
    proposal = office.renew("armani").proposal

    def add(signed) -> None:
        path = "dior/id/stable/x.zip"
        signed.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path)

    with pytest.raises(ProposalError, match="not its own"):
        verify_proposal(with_changes(proposal, armani=edited(proposal, "armani", add)), office.now)


def test_a_changelog_that_is_no_plain_text_is_refused(office) -> None:
    """Whoever planned the change; the same judgement is asked before each signature."""
    proposed = office.renew("armani")

    def edit(signed):
        custom = release(1, changelog={"en": "a\u202eb"})
        path = "armani/id/stable/a.zip"
        signed.targets[path] = TargetFile(3, {"sha256": "0" * 64}, path, {"custom": custom})

    bad = with_changes(proposed.proposal, armani=edited(proposed.proposal, "armani", edit))
    with pytest.raises(ProposalError, match=r"brings in a changelog in en .* holds U\+202E"):
        verify_proposal(bad, office.now)


def test_a_role_that_loses_its_signatures_must_be_signed_again(office) -> None:
    """Taking away a key that signed a role's version is refused unless the role comes along."""
    order = HolderChange((), (("armani", office.public("armani-2").keyid),), {"armani": 1})
    fine = office.holders(order)
    assert list(fine.transition.new) == ["targets"]  # armani-1 has signed it, too
    lacking = with_context(fine.proposal, lambda file: file.role != "armani")
    with pytest.raises(ProposalError, match="does not bring it along"):
        verify_proposal(lacking, office.now)


def test_a_first_proposal_needs_root_and_targets(office) -> None:
    """Without a context there is nothing to follow."""
    proposal = with_context(office.renew("armani").proposal, lambda _file: False)
    with pytest.raises(ProposalError, match="first root and targets"):
        verify_proposal(proposal, office.now)


def test_the_pinned_root_must_be_in_the_chain(office, online_file) -> None:
    """A proposal that builds on another repository is noticed by its root."""
    proposal = office.renew("armani").proposal
    pinned = office.folder.load("root", 1)
    check_anchor(proposal, pinned)
    with pytest.raises(ProposalError, match="do not sign it"):
        check_anchor(with_context(proposal, lambda file: file.role != "root"), pinned)
    with pytest.raises(ProposalError):
        check_anchor(proposal, online_file)
