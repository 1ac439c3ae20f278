import os

import pytest
from pkcs11 import Attribute, ObjectClass

from signer.errors import KeyStoreError
from signer.keys.enrolment import create_token_keys, enrol_public_keys, enrol_token_key
from signer.keys.key_file import TokenKey
from signer.keys.keystore import Keystore
from signer.keys.public_key import PublicKey
from tests.cases import case
from tests.softhsm import PIN

# RFC 8032 section 7.1, tests 1 and 2.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OTHER = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"


def test_enrol_public_keys(keys) -> None:
    """Imported public halves are listed with their holder and cannot sign."""
    store = Keystore(keys)
    enrol_public_keys(store, [PublicKey("root-4", PUBLIC, "dora"), PublicKey("root-5", OTHER)])
    assert store.load_public_key("root-4") == PublicKey("root-4", PUBLIC, "dora")
    assert (store.kind("root-4"), store.has_private("root-4")) == ("public only", False)
    assert len(store.load_public_keys()) == 13


def test_enrolment_is_all_or_nothing(keys, tree) -> None:
    """Nothing is written if one of several keys is refused."""
    before, store = tree(keys), Keystore(keys)
    for name, public, holder, words in (
        ("root-1", PUBLIC, "", "root-1 already exists"),
        ("root-5", OTHER, "", "root-5 and root-4 are one key under two names"),
        ("root-4", PUBLIC, "", "given twice"),
        ("root-5", "01" + "00" * 31, "", "not a canonical point"),
        ("root-5", "ee" + "ff" * 30 + "7f", "", "not a canonical point"),
        ("latest-1", PUBLIC, "", "signed by the server"),
        ("root-5", PUBLIC, "bob\n", "not a holder's name"),
        ("armani-9", store.load_public_key("root-1").public, "", "armani-9 and root-1 are one key"),
    ):
        both = [PublicKey("root-4", OTHER), PublicKey(name, public, holder)]
        with case(words), pytest.raises(KeyStoreError, match=words):
            enrol_public_keys(store, both)
        assert tree(keys) == before


def test_name_with_private_half_only_is_refused(keys) -> None:
    """The leftover of a crash is completed, not joined with another public half."""
    (keys / "root-3.pub").unlink()
    with pytest.raises(KeyStoreError, match="complete it with `keys new root-3`"):
        enrol_public_keys(Keystore(keys), [PublicKey("root-3", PUBLIC)])


@pytest.mark.needs("softhsm")
def test_create_token_keys(softhsm, tmp_path, secrets) -> None:
    """The folder has the key's token and its public half, and no secret."""
    folder = tmp_path / "keys"
    with Keystore(folder) as store:
        made = create_token_keys(
            store, ["root-1", "root-2"], softhsm.module, "drawer", secrets, os.urandom, "bob"
        )
        assert store.load_public_keys() == made
        assert [key.holder for key in made] == ["bob", "bob"]
        assert store.kind("root-1") == "token"
        assert store.has_private("root-1")
    names = {path.name for path in folder.iterdir()}
    assert names == {"root-1.pub", "root-1.token", "root-2.pub", "root-2.token"}
    assert all(PIN.encode() not in path.read_bytes() for path in folder.iterdir())


@pytest.mark.needs("softhsm")
def test_refused_name_or_holder_creates_no_token_key(softhsm, keys, secrets) -> None:
    """A refused name or holder leaves the token empty."""
    arguments = (softhsm.module, "drawer", secrets, os.urandom)
    with Keystore(keys) as store:
        for names, holder in ((["root-4", "root-1"], ""), (["root-4"], "bob\n")):
            with pytest.raises(KeyStoreError):
                create_token_keys(store, names, *arguments, holder)
    with softhsm.session("drawer") as session:
        assert not list(session.get_objects({}))


@pytest.mark.needs("softhsm")
def test_name_taken_during_pin_prompt(softhsm, tmp_path, secrets) -> None:
    """The key that has the name stays, and the token gets none."""
    with Keystore(tmp_path / "keys") as store:

        def type_slowly(name):
            with Keystore(store.folder) as other:
                enrol_public_keys(other, [PublicKey("root-1", PUBLIC)])
            return secrets(name)

        with pytest.raises(KeyStoreError, match="root-1 already exists"):
            create_token_keys(store, ["root-1"], softhsm.module, "drawer", type_slowly, os.urandom)
        assert store.load_public_key("root-1").public == PUBLIC
        assert store.kind("root-1") == "public only"
    with softhsm.session("drawer") as session:
        assert not list(session.get_objects({}))


@pytest.mark.needs("softhsm")
def test_leftover_token_key_is_enrolled(softhsm, tmp_path, secrets) -> None:
    """The refusal names the id, and the same key is enrolled with it."""
    module, store = softhsm.module, Keystore(tmp_path / "keys")
    with store:
        first = create_token_keys(store, ["root-1"], module, "drawer", secrets, lambda n: b"7" * n)
        for left in ((".pub", ".token"), (".pub",)):
            for ending in left:
                (store.folder / f"root-1{ending}").unlink()
            with pytest.raises(KeyStoreError, match="root-1 already, with the id 3737373737373737"):
                create_token_keys(store, ["root-1"], module, "drawer", secrets, os.urandom)
            token_key = TokenKey(module, "drawer", "37" * 8)
            assert [enrol_token_key(store, "root-1", token_key, secrets)] == first
            signature = store.load_signer(first[0], secrets).sign(b"payload")
            assert signature.keyid == first[0].keyid


@pytest.mark.needs("softhsm")
def test_one_token_key_under_two_names_is_refused(softhsm, tmp_path, secrets) -> None:
    """Two signatures of one key would count as those of two people."""
    with Keystore(tmp_path / "keys") as store:
        entropy = iter([b"\x01" * 8]).__next__
        create_token_keys(
            store, ["root-1"], softhsm.module, "drawer", secrets, lambda _n: entropy()
        )
        token_key = TokenKey(softhsm.module, "drawer", "01" * 8)
        with pytest.raises(KeyStoreError, match="root-2 and root-1 are one key under two names"):
            enrol_token_key(store, "root-2", token_key, secrets)
        assert not (store.folder / "root-2.token").exists()


@pytest.mark.needs("softhsm")
def test_token_key_without_private_half_is_refused(softhsm, tmp_path, secrets) -> None:
    """A public half alone on a token is not a key."""
    with Keystore(tmp_path / "keys") as store:
        create_token_keys(
            store, ["root-1"], softhsm.module, "drawer", secrets, lambda n: b"\x01" * n
        )
    with softhsm.session("drawer") as session:
        session.get_key(ObjectClass.PRIVATE_KEY, id=b"\x01" * 8).destroy()
        assert list(session.get_objects({Attribute.ID: b"\x01" * 8}))
    with Keystore(tmp_path / "others") as store:
        token_key = TokenKey(softhsm.module, "drawer", "01" * 8)
        with pytest.raises(KeyStoreError, match="holds no private ed25519 key"):
            enrol_token_key(store, "root-1", token_key, secrets)
