import shutil

import pytest

from signer.ceremony.renewal_plan import plan_renewal
from signer.proposal.change import Change
from signer.proposal.desk import (
    accept_signatures,
    load_proposal,
    propose_change,
    sign_at_once,
    submit_proposals,
)
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder
from tests.signer.faults import FAULTS, OpenKeys, check_bundles, run_all

ROLES = ("armani", "dior", "tables")


@pytest.fixture
def base(tmp_path, made_repository):
    """Return what makes, once for each number, a working folder and one for bundles."""

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
def proposed(made_repository, now):
    """Return the proposal to renew three roles."""
    folder = WorkFolder(made_repository / "repo")
    trusted = load_trusted(folder, None)
    roles = {role: load_delegated(folder, trusted, role)[1] for role in ROLES}
    change = Change(plan_renewal(ROLES, roles, {}, now))
    return propose_change(folder, change, [], now)


@pytest.mark.parametrize("kind", FAULTS)
def test_an_acceptance_survives_a_failure_at_every_step(
    kind, base, proposed, office, now, monkeypatch
) -> None:
    """After the next change all three roles are new, or none is; the same command completes it."""
    files = office.sign(proposed, "alice", "bob", "carol")
    again = load_proposal(proposed.octets, now)

    def accept(limit):
        return accept_signatures(WorkFolder(base(limit) / "repo"), again, files)

    def check(limit):
        folder = WorkFolder(base(limit) / "repo")
        trusted = load_trusted(folder, now)
        for role in ROLES:
            load_delegated(folder, trusted, role)
        with folder.changing():
            versions = folder.load_versions()
        assert [versions[role] for role in ROLES] in ([[1]] * 3, [[1, 2]] * 3)
        accepted = accept(limit)
        assert {role: folder.load(role, 2) for role in ROLES} == {
            role: accepted[role, 2] for role in ROLES
        }
        assert not (folder.folder / "accepting").exists()

    assert run_all(accept, check, monkeypatch, kind) >= 10


@pytest.mark.parametrize("kind", FAULTS)
def test_signing_at_once_survives_a_failure_at_every_step(
    kind, base, proposed, made_keys, passphrases, now, monkeypatch
) -> None:
    """What was not accepted is signed again; what was is submitted from the kept proposal."""
    store = OpenKeys(made_keys)
    again = load_proposal(proposed.octets, now)

    def sign(limit):
        folder = base(limit)
        return sign_at_once(
            WorkFolder(folder / "repo"), store, passphrases, again, [], folder / "incoming"
        )

    def check(limit):
        incoming = base(limit) / "incoming"
        folder = WorkFolder(base(limit) / "repo")
        submitted = check_bundles(incoming)
        with folder.changing():
            accepted = folder.load_versions()["armani"] == [1, 2]
        assert accepted or not submitted
        kept = list((folder.folder / "proposals").glob("[!.]*.json")) if accepted else []
        if accepted:
            assert [path.read_bytes() for path in kept] == [proposed.octets]
            made = submit_proposals(folder, [again.proposal], [], incoming)
        else:
            made = sign(limit)
        assert check_bundles(incoming) == [made.bundle]

    assert run_all(sign, check, monkeypatch, kind) >= 15
