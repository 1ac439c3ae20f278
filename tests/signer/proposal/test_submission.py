import hashlib
from datetime import timedelta

import pytest

from server.core.bundle import decode_bundle
from server.core.names import Channel
from signer.errors import ProposalError
from signer.proposal.accept import accept_signatures
from signer.proposal.document import Change, Package, PackageFile
from signer.proposal.propose import propose_change
from signer.proposal.submission import (
    _find_package,
    collect_proposals,
    collect_versions,
    complete_kept,
    sign_at_once,
    submit,
)
from signer.release.plan import plan_release
from signer.release.request import ReleaseRequest
from signer.signing import load_delegated, load_trusted


def propose_release(office, facts):
    """Propose to list one build of armani."""
    _, current = load_delegated(office.folder, load_trusted(office.folder, None), "armani")
    order = ReleaseRequest(Channel("armani", "id", "stable"))
    planned = plan_release(order, [facts], current, office.now, office.now + timedelta(days=90))
    package = Package(facts.path, facts.length, facts.sha256)
    return propose_change(office.folder, Change({"armani": planned}, (package,)), [], office.now)


def test_a_bundle_holds_what_was_accepted(office, incoming, zips, facts) -> None:
    """Roles and packages; the same again is the same bundle."""
    proposed = propose_release(office, facts["first"])
    digest = hashlib.sha256(zips["first"].read_bytes()).hexdigest()
    with pytest.raises(ProposalError, match="ceremony accept"):
        submit(collect_proposals(office.folder, [proposed.proposal], []), incoming)
    accept_signatures(office.folder, proposed, office.sign(proposed, "alice", "bob"))
    with pytest.raises(ProposalError, match=r"armani-first\.zip .* is missing; give it with"):
        submit(collect_proposals(office.folder, [proposed.proposal], [zips["second"]]), incoming)
    submitted = submit(
        collect_proposals(office.folder, [proposed.proposal], [zips["first"]]), incoming
    )
    bundle = decode_bundle((incoming / submitted.bundle / "bundle.json").read_bytes())
    assert [(file.name, file.version) for file in bundle.roles] == [("armani", 2)]
    assert [blob.sha256 for blob in bundle.blobs] == [digest]
    again = submit(collect_proposals(office.folder, [proposed.proposal], [zips["first"]]), incoming)
    assert again == submitted


def test_signing_at_once_is_all_steps(office, incoming, passphrases) -> None:
    """With all keys at hand; nothing is kept once it was handed over."""
    proposed = office.renew("armani", "tables")
    submitted = sign_at_once(office.folder, office.all_keys, passphrases, proposed, [], incoming)
    assert submitted.versions == {"armani": 2, "tables": 2}
    assert office.folder.load_kept_proposals() == {}
    assert complete_kept(office.folder, incoming) == []


def test_what_was_cut_off_is_handed_over_once(office, incoming) -> None:
    """Signed and accepted, not submitted: the next command brings exactly those bytes."""
    proposed = office.renew("armani")
    accepted = accept_signatures(office.folder, proposed, office.sign(proposed, "alice", "bob"))
    office.folder.keep_proposal(proposed.identity, proposed.data)
    (completed,) = complete_kept(office.folder, incoming)
    bundle = incoming / completed.bundle
    assert (bundle / "metadata" / "2.armani.json").read_bytes() == accepted["armani", 2]
    assert complete_kept(office.folder, incoming) == []


def test_what_was_never_accepted_is_forgotten(office, incoming) -> None:
    """Its signatures are gone, so it is as if it had not been."""
    proposed = office.renew("armani")
    office.folder.keep_proposal(proposed.identity, proposed.data)
    assert complete_kept(office.folder, incoming) == []
    assert office.folder.load_kept_proposals() == {}
    assert list(incoming.iterdir()) == []


def test_lost_versions_are_handed_over_together(office, incoming, zips, facts) -> None:
    """From the version that the server lacks to the newest, with the packages they list anew."""
    for proposed in (propose_release(office, facts["first"]), None):
        change = proposed or office.renew("armani")
        accept_signatures(office.folder, change, office.sign(change, "alice", "bob"))
    submitted = submit(collect_versions(office.folder, {"armani": 2}, [zips["first"]]), incoming)
    bundle = decode_bundle((incoming / submitted.bundle / "bundle.json").read_bytes())
    assert [(file.name, file.version) for file in bundle.roles] == [("armani", 2), ("armani", 3)]
    assert [blob.sha256 for blob in bundle.blobs] == [facts["first"].sha256]
    later = submit(collect_versions(office.folder, {"armani": 3}, []), incoming)
    assert decode_bundle((incoming / later.bundle / "bundle.json").read_bytes()).blobs == []
    with pytest.raises(ProposalError, match="has armani up to 3, and no armani 4"):
        submit(collect_versions(office.folder, {"armani": 4}, []), incoming)


def test_packages_of_one_name_are_told_apart_by_their_hash(tmp_path) -> None:
    """Parts of two packs may even be equally long."""
    paths = []
    for data in (b"one", b"two", b"three"):
        folder = tmp_path / data.decode()
        folder.mkdir()
        paths.append(folder / "00.xz")
        paths[-1].write_bytes(data)
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found = _find_package(PackageFile(digest, path.stat().st_size, "00.xz"), paths)
        assert (found.path, found.sha256) == (path, digest)
    with pytest.raises(ProposalError, match="has 3 bytes, and the package"):
        _find_package(PackageFile("0" * 64, 9, "00.xz"), paths)
