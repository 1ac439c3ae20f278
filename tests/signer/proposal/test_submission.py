import hashlib
from datetime import timedelta

import pytest

from server.core.bundle import decode_bundle
from server.core.names import Channel
from server.core.proposal import PackageFile
from signer.bundle_writer import Blob
from signer.errors import ProposalError
from signer.proposal.accept import accept_signatures
from signer.proposal.document import Change
from signer.proposal.propose import propose_change
from signer.proposal.submission import (
    _find_package,
    collect_proposals,
    collect_versions,
    complete_kept,
    submit,
)
from signer.release.plan import plan_release
from signer.release.request import ReleaseRequest
from signer.signing import load_delegated, load_trusted


def propose_release(team, facts):
    """Propose to list one build of armani."""
    _, current = load_delegated(team.folder, load_trusted(team.folder, None), "armani")
    request = ReleaseRequest(Channel("armani", "id", "stable"))
    planned = plan_release(request, [facts], current, team.now, team.now + timedelta(days=90))
    package = Blob(facts.path, facts.length, facts.sha256)
    return propose_change(team.folder, Change({"armani": planned}, (package,)), [], team.now)


def test_submit(team, incoming, zips, facts) -> None:
    """A bundle has the accepted roles and their packages; a repeated one is the same."""
    proposed = propose_release(team, facts["first"])
    digest = hashlib.sha256(zips["first"].read_bytes()).hexdigest()
    with pytest.raises(ProposalError, match="ceremony accept"):
        submit(collect_proposals(team.folder, [proposed.proposal], []), incoming)
    accept_signatures(team.folder, proposed, team.sign(proposed, "alice", "bob"))
    with pytest.raises(ProposalError, match=r"armani-first\.zip .* is missing; give it with"):
        submit(collect_proposals(team.folder, [proposed.proposal], [zips["second"]]), incoming)
    submitted = submit(
        collect_proposals(team.folder, [proposed.proposal], [zips["first"]]), incoming
    )
    bundle = decode_bundle((incoming / submitted.bundle / "bundle.json").read_bytes())
    assert [(file.name, file.version) for file in bundle.roles] == [("armani", 2)]
    assert [blob.sha256 for blob in bundle.blobs] == [digest]
    again = submit(collect_proposals(team.folder, [proposed.proposal], [zips["first"]]), incoming)
    assert again == submitted


def test_unaccepted_proposal_is_forgotten(team, incoming) -> None:
    """Its signatures are lost, so it is removed."""
    proposed = team.renew("armani")
    team.folder.keep_proposal(proposed.identity, proposed.data, ())
    assert complete_kept(team.folder, incoming) == []
    assert team.folder.load_kept_proposals() == {}
    assert list(incoming.iterdir()) == []


def test_submit_versions(team, incoming, zips, facts) -> None:
    """From the version that the server lacks to the newest, with the packages they add."""
    for proposed in (propose_release(team, facts["first"]), None):
        change = proposed or team.renew("armani")
        accept_signatures(team.folder, change, team.sign(change, "alice", "bob"))
    submitted = submit(collect_versions(team.folder, {"armani": 2}, [zips["first"]]), incoming)
    bundle = decode_bundle((incoming / submitted.bundle / "bundle.json").read_bytes())
    assert [(file.name, file.version) for file in bundle.roles] == [("armani", 2), ("armani", 3)]
    assert [blob.sha256 for blob in bundle.blobs] == [facts["first"].sha256]
    later = submit(collect_versions(team.folder, {"armani": 3}, []), incoming)
    assert decode_bundle((incoming / later.bundle / "bundle.json").read_bytes()).blobs == []
    with pytest.raises(ProposalError, match="has armani up to 3, and no armani 4"):
        submit(collect_versions(team.folder, {"armani": 4}, []), incoming)


def test_packages_with_equal_names(tmp_path) -> None:
    """They are distinguished by their hash, even if they have the same length."""
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
