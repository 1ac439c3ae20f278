import msgspec
import pytest

from server.core.metadata import verify_role, verify_root
from signer.ceremony.holder_plan import HolderOrder
from signer.errors import ProposalError
from signer.proposal.tally import assemble_files, collect_signatures, tally_signatures


def collect(proposed, files):
    """Return the signatures of `files` by role."""
    return collect_signatures(proposed.transition, proposed.identity, files)


def test_two_holders_reach_the_threshold(office) -> None:
    """The octets carry both signatures and verify as a phone verifies them."""
    proposed = office.renew("armani")
    signatures = collect(proposed, office.sign(proposed, "alice", "bob"))
    (data,) = assemble_files(proposed.transition, signatures).values()
    signed = verify_role("armani", data, proposed.transition.after.targets, office.now)
    assert signed.signed.version == 2
    assert set(signed.signatures) == {office.public(f"armani-{n}").keyid for n in (1, 2)}


def test_one_of_two_is_not_enough(office) -> None:
    """Nothing half-signed is assembled, and the tally says who can still sign."""
    proposed = office.renew("armani")
    signatures = collect(proposed, office.sign(proposed, "alice"))
    (tally,) = tally_signatures(proposed.transition, signatures)
    assert (tally.role, tally.threshold, tally.missing) == ("armani", 2, 1)
    assert tally.waiting == (office.public("armani-2").keyid,)
    with pytest.raises(ProposalError, match="lacks the signatures"):
        assemble_files(proposed.transition, signatures)


def test_the_same_holder_twice_counts_once(office) -> None:
    """A threshold is of distinct keys."""
    proposed = office.renew("armani")
    files = office.sign(proposed, "alice", "alice")
    assert tally_signatures(proposed.transition, collect(proposed, files))[0].missing == 1


def test_root_is_asked_of_old_and_new_holders(office, new_keys) -> None:
    """Two of the old three and two of the new three: a signature of a key in both counts twice."""
    added = new_keys.load_public_key("root-4")
    removed = office.public("root-2").keyid
    proposed = office.holders(HolderOrder((added,), (("root", removed),)))
    signatures = collect(proposed, office.sign(proposed, "alice", "bob"))
    old, new = tally_signatures(proposed.transition, signatures)
    assert (old.judge, old.missing) == ("the old root", 0)
    assert (new.judge, new.missing) == ("the new root", 1)
    assert new.waiting == tuple(sorted((added.keyid, office.public("root-3").keyid)))
    files = office.sign(proposed, "alice", "bob", "carol")
    octets = assemble_files(proposed.transition, collect(proposed, files))
    root = proposed.transition.before.root
    assert verify_root(octets["root"], root, office.now).signed.version == 2


def test_another_proposals_signatures_are_refused(office) -> None:
    """A signature file names the proposal that its holder has seen."""
    seen, other = office.renew("armani"), office.renew("armani", days={"armani": 100})
    with pytest.raises(ProposalError, match="is for the proposal"):
        collect(other, office.sign(seen, "alice"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"role": "dior"}, "does not change"),
        ({"keyid": "0" * 64}, "and may not"),
        ({"sig": "0" * 128}, "does not hold"),
    ],
)
def test_a_signature_that_is_no_good_is_refused(office, change, sentence) -> None:
    """Of a role that is not changed, by a key that may not sign, over other octets."""
    proposed = office.renew("armani")
    (file,) = office.sign(proposed, "alice")
    changed = [msgspec.structs.replace(file.signatures[0], **change)]
    with pytest.raises(ProposalError, match=sentence):
        collect(proposed, [msgspec.structs.replace(file, signatures=changed)])


def test_a_signature_of_the_version_before_does_not_hold(office) -> None:
    """What was signed for one proposal is worth nothing under another."""
    seen, other = office.renew("armani"), office.renew("armani", days={"armani": 100})
    (file,) = office.sign(seen, "alice")
    moved = msgspec.structs.replace(file, proposal=other.identity)
    with pytest.raises(ProposalError, match="does not hold"):
        collect(other, [moved])
