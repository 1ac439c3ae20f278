import shutil

import pytest

from signer.ceremony.changes import HolderChange, plan_holders
from signer.ceremony.root_plan import plan_renewal
from signer.keys.keystore import Keystore
from signer.proposal.accept import accept_signatures
from signer.proposal.document import Change
from signer.proposal.propose import load_proposal, propose_change
from signer.proposal.submission import complete_kept, sign_at_once
from signer.signing import load_delegated, load_signed_roles, load_trusted
from signer.work_folder import WorkFolder
from tests.signer.faults import FAULTS, OpenKeys, check_bundles, run_all

ROLES = ("armani", "dior", "tables", "content")


@pytest.fixture
def base(tmp_path, made_repository):
    """Return a function that makes working folder and incoming folder number `limit`."""

    def make(limit):
        folder = tmp_path / str(limit)
        if not folder.exists():
            shutil.copytree(made_repository / "repo", folder / "repo")
            (folder / "incoming").mkdir()
        return folder

    for limit in range(60):
        make(limit)
    return make


@pytest.fixture
def proposed(made_repository, made_keys, now):
    """Return a proposal that changes targets and armani together."""
    store = Keystore(made_keys)
    folder = WorkFolder(made_repository / "repo")
    trusted = load_trusted(folder, None)
    roles = load_signed_roles(folder, trusted, ["armani"])
    removed = store.load_public_key("armani-2").keyid
    request = HolderChange(remove=(("armani", removed),), thresholds={"armani": 1})
    planned = plan_holders(request, trusted.root, roles, now)
    planned |= plan_renewal(["armani"], {"armani": roles["armani"].signed}, {}, now)
    return propose_change(folder, Change(planned), [], now)


def check_whole(folder, now):
    """Check that the folder verifies with both versions or neither; return whether with both."""
    trusted = load_trusted(folder, now)
    for role in ROLES:
        load_delegated(folder, trusted, role)
    versions = folder.load_versions()
    found = [versions[role] for role in ("targets", "armani")]
    assert found in ([[1]] * 2, [[1, 2]] * 2)
    return len(found[0]) == 2


@pytest.mark.parametrize("kind", FAULTS)
def test_acceptance_survives_failure_at_each_step(
    kind, base, proposed, team, now, monkeypatch
) -> None:
    """Both roles are accepted or neither, and the same command completes it."""
    files = team.sign(proposed, "alice", "bob")
    again = load_proposal(proposed.data, now)

    def accept(limit):
        return accept_signatures(WorkFolder(base(limit) / "repo"), again, files)

    def check(limit):
        folder = WorkFolder(base(limit) / "repo")
        check_whole(folder, now)
        accepted = accept(limit)
        assert check_whole(folder, now)
        assert {role: folder.load(role, 2) for role in ("targets", "armani")} == {
            role: accepted[role, 2] for role in ("targets", "armani")
        }
        assert not (folder.folder / "accepting").exists()

    assert run_all(accept, check, monkeypatch, kind) >= 10


@pytest.mark.parametrize("kind", FAULTS)
def test_sign_at_once_survives_failure_at_each_step(
    kind, base, proposed, made_keys, passphrases, now, monkeypatch
) -> None:
    """Accepted versions are submitted by the next command, others are signed again."""
    store = OpenKeys(made_keys)
    again = load_proposal(proposed.data, now)

    def sign(limit):
        folder = base(limit)
        return sign_at_once(
            WorkFolder(folder / "repo"), store, passphrases, again, [], folder / "incoming"
        )

    def check(limit):
        incoming = base(limit) / "incoming"
        folder = WorkFolder(base(limit) / "repo")
        submitted = check_bundles(incoming)
        accepted = check_whole(folder, now)
        assert accepted or not submitted
        completed = complete_kept(folder, incoming)
        if accepted:
            assert bool(completed) or submitted
        else:
            assert completed == []
            sign(limit)
        (bundle,) = check_bundles(incoming)
        for role in ("targets", "armani"):
            name = f"2.{role}.json"
            data = (incoming / bundle / "metadata" / name).read_bytes()
            assert data == folder.load(role, 2)
        assert folder.load_kept_proposals() == {}

    assert run_all(sign, check, monkeypatch, kind) >= 15
