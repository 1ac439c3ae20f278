import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.core.note import VerifierKey
from signer.ceremony.changes import HolderChange, plan_holders, plan_model, plan_online
from signer.ceremony.plan import decode_online_keys
from signer.errors import CeremonyError
from signer.keys.keystore import Keystore
from signer.keys.public_key import make_tuf_key
from signer.proposal.accept import accept_signatures
from signer.proposal.document import Change
from signer.proposal.propose import propose_change
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_delegated, load_signed_roles, load_trusted
from signer.work_folder import WorkFolder
from tests.cases import case


@pytest.fixture
def store(keys, passphrases) -> Keystore:
    """Return a key folder that also has keys that are not enrolled."""
    store = Keystore(keys)
    store.create_keys(("root-4", "targets-3", "armani-3"), passphrases, os.urandom)
    return store


@pytest.fixture
def plan(repo, store, now):
    """Return a function that plans a change for the repository; names stand for keys."""

    def call(add=(), remove=(), thresholds=(), days=()):
        request = HolderChange(
            tuple(store.load_public_key(name) for name in add),
            tuple((name.rpartition("-")[0], store.load_public_key(name).keyid) for name in remove),
            dict(thresholds),
            dict(days),
        )
        trusted = load_trusted(WorkFolder(repo), None)
        roles = load_signed_roles(WorkFolder(repo), trusted, request.roles)
        return plan_holders(request, trusted.root, roles, now)

    return call


@pytest.fixture
def sign_and_accept(repo, store, passphrases, now):
    """Return a function that signs a plan with all keys and accepts it."""

    def accept(planned):
        folder = WorkFolder(repo)
        proposed = propose_change(folder, Change(planned), [], now)
        holdings = find_holdings(proposed.transition, store)
        file = sign_proposal(proposed.transition, proposed.identity, store, holdings, passphrases)
        accept_signatures(folder, proposed, [file])

    return accept


def test_root_key_rotation(plan, store) -> None:
    """The new key replaces the old one; nothing else changes."""
    (root,) = plan(add=["root-4"], remove=["root-2"]).values()
    assert root.version == 2
    assert root.roles["root"].threshold == 2
    assert root.roles["root"].keyids == [
        store.load_public_key(name).keyid for name in ("root-1", "root-3", "root-4")
    ]
    assert store.load_public_key("root-2").keyid not in root.keys
    assert f"{root.expires:%Y-%m-%d}" == "2027-06-01"
    assert list(plan(remove=["armani-2"], thresholds={"armani": 1})) == ["targets"]
    (root,) = plan(thresholds={"root": 3}, days={"root": 30}).values()
    assert root.roles["root"].threshold == 3
    assert f"{root.expires:%Y-%m-%d}" == "2026-07-01"


@pytest.mark.parametrize(("role", "by"), [("targets", "root"), ("armani", "targets")])
def test_role_that_would_lack_signatures_is_renewed(
    plan, sign_and_accept, repo, now, role, by
) -> None:
    """If a key that signed is removed and the threshold stays, a new version is signed."""
    planned = plan(add=[f"{role}-3"], remove=[f"{role}-2"])
    assert {name: signed.version for name, signed in planned.items()} == {by: 2, role: 2}
    sign_and_accept(planned)
    folder = WorkFolder(repo)
    trusted = load_trusted(folder, now)
    found = trusted.targets if role == "targets" else load_delegated(folder, trusted, role)[1]
    assert found.version == 2


def test_invalid_holder_change_is_refused(plan) -> None:
    """The message says what to do."""
    for request, sentence in (
        ({}, "Nothing would change"),
        ({"thresholds": {"root": 4}}, "would ask for 4 signatures and have 3 keys"),
        ({"thresholds": {"latest": 1}}, "signed by the server"),
        ({"thresholds": {"cannon": 1}}, "no role cannon"),
        ({"add": ["root-1"]}, "signs root already"),
        ({"remove": ["armani-3"]}, "does not sign armani"),
        ({"remove": ["targets-1"]}, "would ask for 2 signatures and have 1 keys"),
        (
            {"thresholds": {"root": 3}, "days": {"armani": 9}},
            "'armani' is not an offline role here",
        ),
        ({"thresholds": {"root": 3}, "days": {"root": 4000}}, "cannot expire after 4000 days"),
    ):
        with case(request), pytest.raises(CeremonyError, match=sentence):
            plan(**request)


@pytest.fixture
def cannon(tmp_path, passphrases):
    """Return two keys of a new model."""
    store = Keystore(tmp_path / "cannon")
    return store.create_keys(("cannon-1", "cannon-2"), passphrases, os.urandom)


@pytest.fixture
def targets(repo):
    """Return the targets role of the repository."""
    return load_trusted(WorkFolder(repo), None).targets


def test_plan_model(cannon, targets, now) -> None:
    """A new model gets one terminating delegation, in order, and an empty role."""
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


def test_invalid_model_is_refused(cannon, targets, now) -> None:
    """The codename must be new, and the threshold possible."""
    for codename, threshold, sentence in (
        ("armani", 1, "already exists"),
        ("cannon", 3, "would ask for 3 signatures and have 2 keys"),
        ("cannon", 0, "would ask for 0"),
        ("tables", 1, "not a codename"),
    ):
        with case(codename), pytest.raises(CeremonyError, match=sentence):
            plan_model(codename, cannon, threshold, targets, {}, now)


def public(seed) -> bytes:
    """Return the public half of the key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()


@pytest.fixture
def online(online_file):
    """Return the online keys of the repository."""
    return decode_online_keys(online_file)


@pytest.fixture
def plan_online_keys(repo, now):
    """Return a function that plans other online keys for the repository."""
    trusted = load_trusted(WorkFolder(repo), None)

    def call(online, *, overlap=False):
        return plan_online(
            trusted.root, trusted.targets, online, overlap=overlap, expiry_days={}, now=now
        )

    return call


def test_plan_online(plan_online_keys, online) -> None:
    """The new keys replace the old ones; with an overlap both are valid, except of the log."""
    new = replace(online, snapshot=public(9).hex())
    (root,) = plan_online_keys(new, overlap=True).values()
    assert root.roles["snapshot"].keyids == [
        make_tuf_key(key).keyid for key in (online.snapshot, new.snapshot)
    ]
    assert root.roles["snapshot"].threshold == 1
    assert root.roles["timestamp"].keyids == [make_tuf_key(online.timestamp).keyid]
    new = replace(online, snapshot=public(9).hex(), timestamp=public(8).hex())
    (root,) = plan_online_keys(new).values()
    assert root.roles["snapshot"].keyids == [make_tuf_key(new.snapshot).keyid]
    assert make_tuf_key(online.snapshot).keyid not in root.keys
    assert make_tuf_key(online.timestamp).keyid not in root.keys
    log = VerifierKey(online.log.name, public(6))
    (root,) = plan_online_keys(replace(online, log=log), overlap=True).values()
    assert root.unrecognized_fields["custom"]["log"] == str(log)
    planned = plan_online_keys(replace(online, latest=public(7).hex()))
    assert list(planned) == ["targets"]
    assert planned["targets"].delegations.roles["latest"].keyids == [
        make_tuf_key(public(7).hex()).keyid
    ]
    with pytest.raises(CeremonyError, match="named already"):
        plan_online_keys(online)
