import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from server.core.bundle import decode_bundle
from signer.ceremony.initial import init_repository
from signer.ceremony.plan import decode_online_keys
from signer.ceremony.policy import Policy
from signer.errors import CeremonyError, KeyStoreError
from signer.keys.keystore import Keystore
from signer.work_folder import WorkFolder

POLICY = Policy(("armani", "dior"), {"armani": 2})


@pytest.fixture
def hold_ceremony(tmp_path, keys, passphrases, online_file, now, incoming):
    """Return a function that holds a ceremony in the test's own folders."""

    def ceremony(policy=POLICY, at=now, ask=passphrases):
        return init_repository(
            WorkFolder(tmp_path / "new"),
            Keystore(keys),
            ask,
            decode_online_keys(online_file),
            policy,
            at,
            incoming,
        )

    return ceremony


def test_each_key_signs(made_repository) -> None:
    """Each role has a valid signature of each of its keys, as python-tuf counts them."""
    metadata = made_repository / "repo" / "metadata"
    root = Metadata[Root].from_file(str(metadata / "1.root.json"))
    targets = Metadata[Targets].from_file(str(metadata / "1.targets.json"))
    counts = {}
    for role, judge in {
        "root": root.signed,
        "targets": root.signed,
        **dict.fromkeys(("armani", "dior", "tables", "content"), targets.signed),
    }.items():
        checked = Metadata.from_file(str(metadata / f"1.{role}.json"))
        result = judge.get_verification_result(role, checked.signed_bytes, checked.signatures)
        counts[role] = len(result.signed)
        assert not result.unsigned
    expected = {"root": 3, "targets": 2, "armani": 2, "dior": 1, "tables": 2, "content": 1}
    assert counts == expected


def test_bundle_has_same_bytes_as_repository(made_repository) -> None:
    """The bundle has the same bytes as the folder, in canonical JSON."""
    (bundle,) = (made_repository / "incoming").iterdir()
    described = decode_bundle((bundle / "bundle.json").read_bytes())
    assert [(role.name, role.version) for role in described.roles] == [
        (role, 1) for role in ("armani", "content", "dior", "root", "tables", "targets")
    ]
    assert described.blobs == []
    for path in (made_repository / "repo" / "metadata").iterdir():
        assert (bundle / "metadata" / path.name).read_bytes() == path.read_bytes()
    for path in (made_repository / "repo" / "metadata").iterdir():
        data = path.read_bytes()
        assert data == json.dumps(json.loads(data), separators=(",", ":"), sort_keys=True).encode()


def test_repeated_ceremony_changes_nothing(hold_ceremony, tmp_path, now, tree, incoming) -> None:
    """A day later the recorded bytes are submitted again, and no key is opened."""
    first = hold_ceremony()
    before = tree(tmp_path)

    def ask(name):
        raise AssertionError(name)

    assert first.repeated is False
    assert hold_ceremony(at=now + timedelta(days=1), ask=ask) == replace(first, repeated=True)
    assert tree(tmp_path) == before
    bundle = first.bundle
    shutil.rmtree(incoming / bundle)
    assert hold_ceremony().bundle == bundle
    assert (incoming / bundle / "metadata" / "1.root.json").read_bytes() == (
        tmp_path / "new" / "metadata" / "1.root.json"
    ).read_bytes()


def test_different_ceremony_is_refused(hold_ceremony, tmp_path, tree, now) -> None:
    """Other options are refused, and so is any ceremony once a role has a next version."""
    hold_ceremony()
    before = tree(tmp_path)
    with pytest.raises(CeremonyError, match="another repository already"):
        hold_ceremony(Policy(("armani",)))
    for days in ({"armani": 91}, {"armani": 89}, {"root": 364}, dict.fromkeys(POLICY.roles, 1)):
        with pytest.raises(CeremonyError, match="other lifetimes; give the same --expires options"):
            hold_ceremony(replace(POLICY, expiry_days=days), at=now + timedelta(hours=1))
    for thresholds in ({}, {"armani": 2, "root": 3}):
        with pytest.raises(
            CeremonyError, match="made with other options; give the same options as th"
        ):
            hold_ceremony(replace(POLICY, thresholds=thresholds))
    assert tree(tmp_path) == before
    WorkFolder(tmp_path / "new").store("armani", 2, b"{}")
    with pytest.raises(CeremonyError, match="another repository already"):
        hold_ceremony()


def test_wrong_passphrase_changes_nothing(hold_ceremony, tmp_path, tree) -> None:
    """No file is written before each key has signed."""
    before = tree(tmp_path)
    with pytest.raises(KeyStoreError, match="tables-2 cannot be opened"):
        hold_ceremony(
            ask=lambda name: b"wrong passphrase" if name == "tables-2" else b"correct horse battery"
        )
    assert tree(tmp_path) == before
