import os

import pytest

from signer.ceremony.changes import HolderChange, SignedRole, plan_holders
from signer.errors import CeremonyError
from signer.keys.keystore import Keystore
from signer.proposal.accept import accept_signatures
from signer.proposal.document import Change
from signer.proposal.propose import propose_change
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder


@pytest.fixture
def store(keys, passphrases) -> Keystore:
    """Return a key folder with new keys beside those that are enrolled."""
    store = Keystore(keys)
    store.create_keys(("root-4", "targets-3", "armani-3"), passphrases, os.urandom)
    return store


@pytest.fixture
def plan(repo, store, now):
    """Return what plans a change for the repository; names stand for keys."""

    def planning(add=(), remove=(), thresholds=(), days=()):
        request = HolderChange(
            tuple(store.load_public_key(name) for name in add),
            tuple((name.rpartition("-")[0], store.load_public_key(name).keyid) for name in remove),
            dict(thresholds),
            dict(days),
        )
        folder = WorkFolder(repo)
        trusted = load_trusted(folder, None)
        roles = {
            role: SignedRole(*load_delegated(folder, trusted, role))
            for role in request.roles - {"root", "targets"}
            if role in trusted.versions
        }
        roles["targets"] = SignedRole(
            folder.load("targets", trusted.targets.version), trusted.targets
        )
        return plan_holders(request, trusted.root, roles, now)

    return planning


@pytest.fixture
def carry_out(repo, store, passphrases, now):
    """Return what has a plan signed by all keys and accepted."""

    def carrying(planned):
        folder = WorkFolder(repo)
        proposed = propose_change(folder, Change(planned), [], now)
        holdings = find_holdings(proposed.transition, store)
        file = sign_proposal(proposed.transition, proposed.identity, store, holdings, passphrases)
        accept_signatures(folder, proposed, [file])

    return carrying


def test_a_root_key_is_rotated(plan, store) -> None:
    """The new key takes the old one's place; nothing else of root changes."""
    (root,) = plan(add=["root-4"], remove=["root-2"]).values()
    assert root.version == 2
    assert root.roles["root"].threshold == 2
    assert root.roles["root"].keyids == [
        store.load_public_key(name).keyid for name in ("root-1", "root-3", "root-4")
    ]
    assert store.load_public_key("root-2").keyid not in root.keys
    assert f"{root.expires:%Y-%m-%d}" == "2027-06-01"


def test_a_models_key_changes_targets_only(plan) -> None:
    """The model's version is signed by the key that stays, so it is left alone."""
    assert list(plan(remove=["armani-2"], thresholds={"armani": 1})) == ["targets"]


def test_a_model_that_would_lack_signatures_is_signed_again(plan, carry_out, repo, now) -> None:
    """Two signatures stay asked and one of those there goes: a new version comes along."""
    planned = plan(add=["armani-3"], remove=["armani-2"])
    assert [(role, signed.version) for role, signed in planned.items()] == [
        ("targets", 2),
        ("armani", 2),
    ]
    carry_out(planned)
    folder = WorkFolder(repo)
    assert load_delegated(folder, load_trusted(folder, now), "armani")[1].version == 2


def test_targets_that_would_lack_signatures_are_signed_again(plan, carry_out, repo, now) -> None:
    """Root takes a key of targets away, and targets is signed again by those that stay."""
    planned = plan(add=["targets-3"], remove=["targets-2"])
    assert [(role, signed.version) for role, signed in planned.items()] == [
        ("root", 2),
        ("targets", 2),
    ]
    carry_out(planned)
    assert load_trusted(WorkFolder(repo), now).targets.version == 2


def test_a_threshold_is_changed(plan) -> None:
    """No key changes, only how many must sign."""
    (root,) = plan(thresholds={"root": 3}, days={"root": 30}).values()
    assert root.roles["root"].threshold == 3
    assert f"{root.expires:%Y-%m-%d}" == "2026-07-01"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Nothing is to change"),
        ({"thresholds": {"root": 4}}, "would ask for 4 signatures and have 3 keys"),
        ({"thresholds": {"latest": 1}}, "signed by the server"),
        ({"thresholds": {"cannon": 1}}, "no role cannon"),
        ({"add": ["root-1"]}, "signs root already"),
        ({"remove": ["armani-3"]}, "does not sign armani"),
        ({"remove": ["targets-1"]}, "would ask for 2 signatures and have 1 keys"),
        ({"thresholds": {"root": 3}, "days": {"armani": 9}}, "'armani' is no offline role here"),
        ({"thresholds": {"root": 3}, "days": {"root": 4000}}, "cannot expire after 4000 days"),
    ],
)
def test_a_request_that_cannot_be_is_refused(plan, asked, sentence) -> None:
    """With a sentence that says what to do."""
    with pytest.raises(CeremonyError, match=sentence):
        plan(**asked)
