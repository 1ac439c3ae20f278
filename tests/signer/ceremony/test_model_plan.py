import os

import pytest

from signer.ceremony.changes import plan_model
from signer.errors import CeremonyError
from signer.keys.keystore import Keystore
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


@pytest.fixture
def cannon(tmp_path, passphrases):
    """Return two keys of a model that is not there yet."""
    store = Keystore(tmp_path / "cannon")
    return store.create_keys(("cannon-1", "cannon-2"), passphrases, os.urandom)


@pytest.fixture
def targets(repo):
    """Return the targets role of the repository."""
    return load_trusted(WorkFolder(repo), None).targets


def test_a_model_is_added(cannon, targets, now) -> None:
    """One terminating delegation among the others, in order, and an empty first version."""
    planned = plan_model("cannon", cannon, 2, targets, {"cannon": 30}, now)
    assert [(role, signed.version) for role, signed in planned.items()] == [
        ("targets", 2),
        ("cannon", 1),
    ]
    roles = planned["targets"].delegations.roles
    assert list(roles) == ["armani", "cannon", "dior", "tables", "content", "latest"]
    assert (roles["cannon"].paths, roles["cannon"].terminating) == (["cannon/*/*/*"], True)
    assert (roles["cannon"].threshold, roles["cannon"].keyids) == (2, [k.keyid for k in cannon])
    assert planned["cannon"].targets == {}
    assert f"{planned['cannon'].expires:%Y-%m-%d}" == "2026-07-01"
    assert "cannon" not in targets.delegations.roles


@pytest.mark.parametrize(
    ("codename", "threshold", "sentence"),
    [
        ("armani", 1, "is there already"),
        ("cannon", 3, "would ask for 3 signatures and have 2 keys"),
        ("cannon", 0, "would ask for 0"),
        ("tables", 1, "not a codename"),
        ("latest-1", 1, "not a codename"),
    ],
)
def test_a_model_that_cannot_be_is_refused(
    cannon, targets, now, codename, threshold, sentence
) -> None:
    """A model that is there, too few keys, a reserved name."""
    with pytest.raises(CeremonyError, match=sentence):
        plan_model(codename, cannon, threshold, targets, {}, now)
