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


def test_a_sound_folder_is_trusted(repo, now) -> None:
    """Root, targets and roles verify after a ceremony."""
    trusted = load_trusted(WorkFolder(repo), now)
    assert (trusted.root.version, trusted.targets.version) == (1, 1)
    data, armani = load_delegated(WorkFolder(repo), trusted, "armani")
    assert data == (repo / "metadata" / "1.armani.json").read_bytes()
    assert armani.targets == {}


def test_an_expired_delegator_is_refused(repo, now) -> None:
    """Nothing is signed for a repository that no client would accept."""
    for role, days in (("targets", 90), ("root", 365)):
        with pytest.raises(WorkFolderError, match=f"(?i)^{role} 1 expired"):
            load_trusted(WorkFolder(repo), now + timedelta(days=days))
    assert load_trusted(WorkFolder(repo), None).root.version == 1


@pytest.mark.parametrize("role", ["root", "targets", "armani"])
def test_a_role_that_is_changed_or_missing_is_refused(repo, now, role) -> None:
    """A file that was tampered with does not verify; the sentence names one that is not there."""

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
def test_the_chain_of_roots_is_followed(repo, keys, passphrase, now, others) -> None:
    """A second root that two keys signed is trusted; one signature of two is none."""
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


def test_a_root_of_strangers_is_refused(repo, now) -> None:
    """A first root must be signed by the keys that it names."""
    path = repo / "metadata" / "1.root.json"
    metadata = Metadata[Root].from_file(str(path))
    metadata.signatures.clear()
    metadata.sign(CryptoSigner.generate_ed25519())
    path.write_bytes(encode_metadata(metadata))
    with pytest.raises(WorkFolderError, match="not signed by its own keys"):
        load_trusted(WorkFolder(repo), now)


def test_as_many_enrolled_keys_sign_as_are_needed(repo, keys, passphrases, now, tmp_path) -> None:
    """Armani needs two and dior one; they are found by id, whatever their names are."""
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
    """A missing half counts as a missing key; the sentence gives both numbers."""
    (keys / f"armani-2.{suffix}").unlink()
    trusted = load_trusted(WorkFolder(repo), now)
    with pytest.raises(KeyStoreError, match=r"needs 2 signatures, and .* holds 1 of its keys"):
        load_role_signers(Keystore(keys), trusted, "armani", passphrases)


def test_a_key_that_cannot_sign_is_refused(now) -> None:
    """A token that is pulled out meanwhile is a sentence, not a traceback."""

    class Unplugged(CryptoSigner):
        def sign(self, _payload):
            raise ValueError("unplugged")

    signer = Unplugged(CryptoSigner.generate_ed25519()._private_key)
    with pytest.raises(SignerError, match="did not sign, and nothing was written"):
        sign_role(Targets(version=1, expires=now), [signer])


def test_one_key_in_several_roles_is_found_in_each(repo, keys) -> None:
    """The name of a key is only a name: metadata says what it signs."""
    trusted = load_trusted(WorkFolder(repo), None)
    key = Keystore(keys).load_public_key("targets-1")
    trusted.targets.delegations.roles["content"].keyids.append(key.keyid)
    assert find_key_roles(key.keyid, trusted) == [
        KeyRole("targets", 2, 2),
        KeyRole("content", 1, 2),
    ]
