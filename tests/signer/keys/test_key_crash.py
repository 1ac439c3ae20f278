"""The signer is killed, or its disk fails, at each step of changing and enrolling keys."""

import os
import shutil

import pytest
from pkcs11 import Attribute

from signer.errors import KeyStoreError
from signer.keys.enrolment import create_token_keys, enrol_public_keys, enrol_token_key
from signer.keys.key_file import TokenKey
from signer.keys.keystore import Keystore
from signer.keys.public_key import PublicKey
from tests.rfc8032 import VECTORS
from tests.signer.faults import FAULTS, run_all

NEW = b"another horse battery"


@pytest.mark.parametrize("kind", FAULTS)
def test_changed_passphrase_survives_failure_at_each_step(
    kind, tmp_path, made_keys, passphrases, monkeypatch
) -> None:
    """Each key opens with the old or the new passphrase, and the change can be completed."""
    names = ["root-1", "root-2"]

    def change(limit):
        folder = tmp_path / str(limit)
        if not folder.exists():
            shutil.copytree(made_keys, folder)
        Keystore(folder).change_passphrases(names, passphrases, lambda _name: NEW, os.urandom)

    def opens(store, name, passphrase) -> bool:
        try:
            store.load_signer(store.load_public_key(name), lambda _name: passphrase)
        except KeyStoreError:
            return False
        return True

    def check(limit):
        store = Keystore(tmp_path / str(limit))
        old = [name for name in names if opens(store, name, passphrases(name))]
        assert all(opens(store, name, NEW) for name in names if name not in old)
        store.change_passphrases(old, passphrases, lambda _name: NEW, os.urandom)
        assert all(opens(store, name, NEW) for name in names)
        for path in store.folder.glob("*.key"):
            assert path.stat().st_mode & 0o777 == 0o600

    assert run_all(change, check, monkeypatch, kind) >= 6


@pytest.mark.parametrize("kind", FAULTS)
def test_imported_keys_survive_failure_at_each_step(kind, tmp_path, monkeypatch) -> None:
    """Each public half is complete or missing, and the missing ones can be imported again."""
    keys = [
        PublicKey("root-1", VECTORS["TEST 1"].public, "bob"),
        PublicKey("root-2", VECTORS["TEST 2"].public),
    ]

    def take(limit):
        enrol_public_keys(Keystore(tmp_path / str(limit)), keys)

    def check(limit):
        store = Keystore(tmp_path / str(limit))
        there = store.load_public_keys() if store.folder.exists() else []
        enrol_public_keys(store, [key for key in keys if key not in there])
        assert store.load_public_keys() == keys

    assert run_all(take, check, monkeypatch, kind) >= 6


@pytest.mark.needs("softhsm")
@pytest.mark.parametrize("kind", FAULTS)
def test_token_key_survives_failure_at_each_step(
    kind, tmp_path, softhsm, secrets, monkeypatch
) -> None:
    """A key that is only on the token is reported with its id and can be enrolled."""
    module = softhsm.module

    def make(limit):
        with Keystore(tmp_path / str(limit)) as store:
            create_token_keys(
                store,
                [f"root-{limit + 1}"],
                module,
                "drawer",
                secrets,
                lambda count: limit.to_bytes(count, "big"),
            )

    def check(limit):
        name, token_key = f"root-{limit + 1}", TokenKey(module, "drawer", f"{limit:016x}")
        with softhsm.session("drawer") as session:
            made = bool(list(session.get_objects({Attribute.LABEL: name})))
        with Keystore(tmp_path / str(limit)) as store:
            if not (store.folder / f"{name}.pub").exists():
                if made:
                    with pytest.raises(KeyStoreError, match=f"with the id {token_key.id}"):
                        make_again(store, name)
                    enrol_token_key(store, name, token_key, secrets)
                else:
                    make_again(store, name)
            key = store.load_public_key(name)
            assert store.load_signer(key, secrets).sign(b"payload").keyid == key.keyid

    def make_again(store, name):
        create_token_keys(store, [name], module, "drawer", secrets, os.urandom)

    assert run_all(make, check, monkeypatch, kind) >= 6
