import shutil
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Targets

from server.core.metadata import decode_root, encode_metadata
from signer.errors import KeyStoreError, SignerError, WorkFolderError
from signer.keys.keystore import Keystore
from signer.signing import (
    KeyRole,
    find_key_roles,
    load_delegated,
    load_role_signers,
    load_trusted,
    sign_role,
)
from signer.work_folder import WorkFolder


def test_load_trusted_folder(repo, now) -> None:
    """Root, targets and roles verify after a ceremony."""
    trusted = load_trusted(WorkFolder(repo), now)
    assert (trusted.root.version, trusted.targets.version) == (1, 1)
    data, armani = load_delegated(WorkFolder(repo), trusted, "armani")
    assert data == (repo / "metadata" / "1.armani.json").read_bytes()
    assert armani.targets == {}


def test_expired_root_or_targets_is_refused(repo, now) -> None:
    """Nothing is signed for a repository that no client would accept."""
    for role, days in (("targets", 90), ("root", 365)):
        with pytest.raises(WorkFolderError, match=f"(?i)^{role} 1 expired"):
            load_trusted(WorkFolder(repo), now + timedelta(days=days))
    assert load_trusted(WorkFolder(repo), None).root.version == 1


@pytest.mark.parametrize("role", ["root", "targets", "armani"])
def test_changed_or_missing_role_is_refused(repo, now, role) -> None:
    """A changed file does not verify, and the message names a missing one."""

    def load():
        return load_delegated(WorkFolder(repo), load_trusted(WorkFolder(repo), now), "armani")

    path = repo / "metadata" / f"1.{role}.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9'))
    with pytest.raises(WorkFolderError):
        load()
    path.unlink()
    with pytest.raises(WorkFolderError, match=f"no (role )?{role}"):
        load()


@pytest.mark.parametrize("others", [set(), {"root-3"}])
def test_second_root_needs_two_signatures(repo, keys, passphrase, now, others) -> None:
    """A second root is trusted with two signatures and refused with one."""
    root = decode_root((repo / "metadata" / "1.root.json").read_bytes()).signed
    root.version = 2
    store = Keystore(keys)
    chosen = [key for key in store.load_public_keys() if key.name in {"root-1"} | others]
    data = sign_role(root, [store.load_signer(key, lambda _name: passphrase) for key in chosen])
    WorkFolder(repo).store("root", 2, data)
    if others:
        assert load_trusted(WorkFolder(repo), now).root.version == 2
        return
    with pytest.raises(WorkFolderError, match="not signed by the trusted root keys"):
        load_trusted(WorkFolder(repo), now)


def test_first_root_with_foreign_signature_is_refused(repo, now) -> None:
    """A first root must be signed by the keys that it names."""
    path = repo / "metadata" / "1.root.json"
    metadata = Metadata[Root].from_file(str(path))
    metadata.signatures.clear()
    metadata.sign(CryptoSigner.generate_ed25519())
    path.write_bytes(encode_metadata(metadata))
    with pytest.raises(WorkFolderError, match="not signed by its own keys"):
        load_trusted(WorkFolder(repo), now)


def test_role_signers_are_found_by_key_id(repo, keys, passphrases, now, tmp_path) -> None:
    """Armani needs two keys and dior one; the names of their files do not matter."""
    trusted = load_trusted(WorkFolder(repo), now)
    for suffix in ("key", "pub"):
        shutil.move(keys / f"dior-1.{suffix}", keys / f"dior-7.{suffix}")
    for role, count in (("armani", 2), ("dior", 1)):
        assert len(load_role_signers(Keystore(keys), trusted, role, passphrases)) == count
    store = Keystore(tmp_path / "strange")
    store.create_keys(["dior-1"], passphrases, lambda n: b"s" * n)
    with pytest.raises(KeyStoreError, match="holds 0 of its keys"):
        load_role_signers(store, trusted, "dior", passphrases)


@pytest.mark.parametrize("suffix", ["key", "pub"])
def test_too_few_keys_are_refused(repo, keys, passphrases, now, suffix) -> None:
    """A missing half counts as a missing key; the message gives both numbers."""
    (keys / f"armani-2.{suffix}").unlink()
    trusted = load_trusted(WorkFolder(repo), now)
    with pytest.raises(KeyStoreError, match=r"needs 2 signatures, and .* holds 1 of its keys"):
        load_role_signers(Keystore(keys), trusted, "armani", passphrases)


def test_failing_signer_is_refused(now) -> None:
    """A token that is removed while it signs is reported in a sentence."""

    class Unplugged(CryptoSigner):
        def sign(self, _payload):
            raise ValueError("unplugged")

    signer = Unplugged(CryptoSigner.generate_ed25519()._private_key)
    with pytest.raises(SignerError, match="did not sign, and nothing was written"):
        sign_role(Targets(version=1, expires=now), [signer])


def test_key_roles(repo, keys) -> None:
    """The metadata says what a key signs, its name does not."""
    trusted = load_trusted(WorkFolder(repo), None)
    key = Keystore(keys).load_public_key("targets-1")
    trusted.targets.delegations.roles["content"].keyids.append(key.keyid)
    assert find_key_roles(key.keyid, trusted) == [
        KeyRole("targets", 2, 2),
        KeyRole("content", 1, 2),
    ]
