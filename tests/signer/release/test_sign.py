from dataclasses import replace
from datetime import timedelta

import pytest

from server.core.bundle import decode_bundle
from server.core.names import Channel
from signer.errors import SignerError, WorkFolderError
from signer.keys.keystore import Keystore
from signer.release.request import ReleaseRequest
from signer.release.sign import list_releases, sign_release
from signer.work_folder import WorkFolder

REQUEST = ReleaseRequest(Channel("armani", "id", "stable"), changelog={"en": "Fixes."})


@pytest.fixture
def sign(repo, keys, passphrases, now, incoming):
    """Return a function that signs packages in the test's own folders."""

    def signed(packages, request=REQUEST, at=now, ask=passphrases, **more):
        return sign_release(
            WorkFolder(repo), Keystore(keys), ask, request, packages, at, incoming, **more
        )

    return signed


def test_sign_release(sign, facts, repo, incoming, zips) -> None:
    """Repository and bundle have the same bytes, and the bundle has the packages."""
    sign([facts["first"]])
    signed = sign([facts["second"], facts["step"]])
    assert (signed.version, signed.counter, signed.repeated) == (3, 2, False)
    recorded = (repo / "metadata" / "3.armani.json").read_bytes()
    bundle = incoming / signed.bundle
    assert (bundle / "metadata" / "3.armani.json").read_bytes() == recorded
    described = decode_bundle((bundle / "bundle.json").read_bytes())
    assert [(role.name, role.version) for role in described.roles] == [("armani", 3)]
    assert {blob.sha256 for blob in described.blobs} == {
        facts["second"].sha256,
        facts["step"].sha256,
    }
    for name in ("second", "step"):
        blob = bundle / "blobs" / facts[name].sha256
        assert blob.read_bytes() == zips[name].read_bytes()


def test_repeated_command_changes_nothing(sign, facts, now, tmp_path, tree) -> None:
    """The recorded bytes are submitted again, and no key is opened."""
    first = sign([facts["first"]])
    before = tree(tmp_path)

    def ask(name):
        raise AssertionError(name)

    again = sign([facts["first"]], at=now + timedelta(days=1), ask=ask)
    assert again == replace(first, repeated=True)
    assert tree(tmp_path) == before


def test_repeated_command_after_expiry_signs_again(sign, facts, now, repo) -> None:
    """The next version is signed once the recorded one has expired."""
    sign([facts["first"]], expiry_days=5)
    again = sign([facts["first"]], at=now + timedelta(days=5))
    assert (again.version, again.repeated) == (3, False)
    assert (repo / "metadata" / "3.armani.json").exists()


def test_refusal_changes_nothing(sign, facts, tmp_path, tree) -> None:
    """A wrong passphrase writes nothing."""
    before = tree(tmp_path)
    with pytest.raises(SignerError, match="passphrase is wrong"):
        sign([facts["first"]], ask=lambda _: b"wrong passphrase")
    assert tree(tmp_path) == before


def test_list_releases(sign, facts, repo) -> None:
    """Models are sorted, each with the releases of its current version."""
    sign([facts["first"]])
    armani, dior = list_releases(WorkFolder(repo))
    assert (armani.role, armani.version, list(armani.releases)) == (
        "armani",
        2,
        ["armani/id/stable/armani-first.zip"],
    )
    assert (dior.role, dior.version, dior.releases) == ("dior", 1, {})
    assert [role.role for role in list_releases(WorkFolder(repo), "dior")] == ["dior"]
    with pytest.raises(WorkFolderError, match="no model tables"):
        list_releases(WorkFolder(repo), "tables")
