import os
import shutil
import stat
import traceback

import pytest
from tuf.api.metadata import Targets

from signer.errors import EnvironmentFailedError, KeyStoreError
from signer.keys.enrolment import create_token_keys, enrol_public_keys
from signer.keys.hsm import TokenSession
from signer.keys.key_file import decode_key_file
from signer.keys.keystore import Keystore
from signer.keys.public_key import PublicKey
from signer.signing import sign_role
from tests.cases import case
from tests.leaks import Leaks, seed_forms
from tests.rfc8032 import VECTORS


def test_keys_are_sorted_by_role_and_number(keys, passphrase) -> None:
    """Number 10 follows number 2."""
    _make(keys, "root-10", passphrase)
    names = [key.name for key in Keystore(keys).load_public_keys()]
    assert names == [
        *("armani-1", "armani-2", "content-1", "dior-1"),
        *("root-1", "root-2", "root-3", "root-10"),
        *("tables-1", "tables-2", "targets-1", "targets-2"),
    ]


def test_mismatched_halves_are_refused(keys, passphrases) -> None:
    """A private half is only used with its own public half."""
    shutil.copy2(keys / "root-1.key", keys / "root-2.key")
    store = Keystore(keys)
    key = next(key for key in store.load_public_keys() if key.name == "root-2")
    with pytest.raises(KeyStoreError, match="does not belong"):
        store.load_signer(key, passphrases)


def test_one_key_under_two_names_is_refused(keys) -> None:
    """A copied public half is found when the folder is read."""
    shutil.copy2(keys / "root-1.pub", keys / "root-2.pub")
    with pytest.raises(KeyStoreError, match="one key under two names"):
        Keystore(keys).load_public_keys()


def test_create_keys_is_all_or_nothing(keys, passphrases, tree) -> None:
    """One refused name stops the command before the first file."""
    before = tree(keys)
    for names in (("dior-2", "root-1"), ("dior-2", "dior-2"), ("dior-2", "x")):
        with case(names), pytest.raises(KeyStoreError):
            Keystore(keys).create_keys(names, passphrases, os.urandom)
        assert tree(keys) == before


def test_missing_public_half_is_completed(keys, passphrase) -> None:
    """After a crash between the two files the same key is completed."""
    public = (keys / "root-1.pub").read_bytes()
    private = (keys / "root-1.key").read_bytes()
    (keys / "root-1.pub").unlink()
    _make(keys, "root-1", passphrase)
    assert (keys / "root-1.pub").read_bytes() == public
    assert (keys / "root-1.key").read_bytes() == private


def test_no_object_holds_a_secret(tmp_path, passphrase) -> None:
    """Neither passphrase nor seed is in the store, the signer or a refusal's traceback.

    All reachable objects are searched, not only what they print; the key itself is in the library.
    """
    seed = os.urandom(32)
    leaks = Leaks(passphrase=passphrase, **seed_forms("seed", seed))
    store = Keystore(tmp_path / "keys")
    key = _make(
        store.folder, "root-1", passphrase, lambda count: seed if count == 32 else os.urandom(count)
    )
    # The search finds the seed where it is.
    opened = decode_key_file("root-1", (store.folder / "root-1.key").read_bytes(), passphrase)
    assert leaks.find(opened.private_bytes_raw()) == {("seed", "raw")}
    signer = store.load_signer(key, _give(passphrase))
    signature = signer.sign(b"payload")
    assert leaks.find_reachable(store, signer, signature, vars(signer)) == set()
    assert leaks.find(repr((store, signer, vars(store), vars(signer), opened))) == set()
    (store.folder / "root-1.key").write_bytes(
        (store.folder / "root-1.key").read_bytes().replace(b"A", b"B")
    )
    with pytest.raises(KeyStoreError, match="cannot be opened") as caught:
        store.load_signer(key, _give(passphrase))
    shown = "".join(traceback.format_exception(caught.value))
    assert "cannot be opened" in shown
    assert leaks.find(shown) == set()


def _make(folder, name, passphrase=b"long enough", entropy=os.urandom):
    """Create one key and return its public half."""
    return Keystore(folder).create_keys([name], lambda _name: passphrase, entropy)[0]


def _give(passphrase):
    """Return a function that gives a new copy of a passphrase."""
    return lambda _name: bytes(bytearray(passphrase))


def test_each_key_may_have_its_own_passphrase(tmp_path) -> None:
    """All passphrases are asked for before the first key is made."""
    store = Keystore(tmp_path / "keys")
    store.create_keys(["root-1", "root-2"], lambda name: f"of {name}".encode(), os.urandom)
    for key in store.load_public_keys():
        assert store.load_signer(key, lambda name: f"of {name}".encode())
        with pytest.raises(KeyStoreError, match="the passphrase is wrong"):
            store.load_signer(key, lambda _name: b"of another")
    with pytest.raises(KeyStoreError, match="8 to 1023"):
        store.create_keys(
            ["dior-1", "dior-2"],
            {"dior-1": b"long enough", "dior-2": b"no"}.__getitem__,
            os.urandom,
        )
    assert not list(store.folder.glob("dior*"))


def test_change_passphrases_is_all_or_nothing(keys, passphrases, tree) -> None:
    """A wrong old passphrase, a short new one or a missing key leaves all files unchanged."""
    store = Keystore(keys)
    (keys / "root-3.key").unlink()
    before = tree(keys)
    long, short = (lambda _name: b"long enough"), (lambda _name: b"short")
    wrong = {"root-1": b"correct horse battery", "root-2": b"wrong passphrase"}.__getitem__
    for names, old, new in (
        (["root-1", "root-2"], wrong, long),
        (["root-1", "root-2"], passphrases, short),
        (["root-1", "root-3"], passphrases, long),
        (["root-1", "x"], passphrases, long),
    ):
        with pytest.raises(KeyStoreError):
            store.change_passphrases(names, old, new, os.urandom)
        assert tree(keys) == before


def test_private_half_is_created_with_narrow_mode(keys, passphrases, tmp_path, monkeypatch) -> None:
    """Whatever the umask, private files are created with 0600 and the folder has 0700."""
    seen, opened = [], os.open

    def spy(path, flags, mode=0o777, **more):
        descriptor = opened(path, flags, mode, **more)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", spy)
    before = os.umask(0)
    try:
        for umask in (0o000, 0o077):
            os.umask(umask)
            seen.clear()
            store = Keystore(keys)
            store.change_passphrases(["root-1"], passphrases, passphrases, os.urandom)
            assert seen == [0o600]
            new = Keystore(tmp_path / f"new-{umask}")
            _make(new.folder, "root-4")
            assert seen == [0o600, 0o600, 0o644 & ~umask]
            assert stat.S_IMODE(new.folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((new.folder / "root-4.key").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def _interrupt(monkeypatch, action):
    """Call `action` once, when the next file is flushed."""
    real = os.fsync

    def fsync(descriptor):
        monkeypatch.setattr(os, "fsync", real)
        action()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def test_concurrent_creation_of_one_key(tmp_path, monkeypatch) -> None:
    """The second process gets an error, and the first has the key that it reported."""
    store, finished = Keystore(tmp_path / "keys"), []

    def other():
        with pytest.raises(EnvironmentFailedError, match=r"is changing the keys .* wait for"):
            _make(store.folder, "root-1", b"passphrase of B")
        finished.append("B")

    real = Keystore._create

    def create(*arguments):
        _interrupt(monkeypatch, other)
        return real(*arguments)

    monkeypatch.setattr(Keystore, "_create", create)
    key = _make(store.folder, "root-1", b"passphrase of A")
    assert finished == ["B"]
    assert store.load_signer(key, lambda _name: b"passphrase of A")
    with pytest.raises(KeyStoreError, match="root-1 already exists"):
        _make(store.folder, "root-1", b"passphrase of B")


def test_key_folder_is_locked_while_it_changes(keys, passphrases) -> None:
    """Each way to change the folder is refused while another process changes it."""
    store = Keystore(keys)
    with Keystore(keys).changing():
        for change in (
            lambda: _make(keys, "root-9"),
            lambda: store.change_passphrases(["root-1"], passphrases, passphrases, os.urandom),
            lambda: enrol_public_keys(store, [PublicKey("root-9", VECTORS["TEST 1"].public)]),
        ):
            with pytest.raises(
                EnvironmentFailedError, match="Another process is changing the keys"
            ):
                change()
    assert len(store.load_public_keys()) == 11


def test_key_made_during_prompt_is_kept(tmp_path) -> None:
    """The names are checked again after the prompts."""
    store = Keystore(tmp_path / "keys")
    made = []

    def ask(name):
        made.append(_make(store.folder, name, b"passphrase of B"))
        return b"passphrase of A"

    with pytest.raises(KeyStoreError, match="root-1 already exists"):
        store.create_keys(["root-1"], ask, os.urandom)
    assert store.load_signer(made[0], lambda _name: b"passphrase of B")


def test_created_pair_is_read_back(tmp_path, keys, passphrase, monkeypatch) -> None:
    """A half that was replaced meanwhile is found."""
    real = Keystore._create
    for half in ("root-1.key", "root-1.pub"):
        store = Keystore(tmp_path / half)

        def create(*arguments, half=half, store=store):
            key = real(*arguments)
            shutil.copy2(keys / half, store.folder / half)
            return key

        monkeypatch.setattr(Keystore, "_create", create)
        with pytest.raises(KeyStoreError, match="are not the pair that was written; remove both"):
            _make(store.folder, "root-1", passphrase)


@pytest.mark.needs("softhsm")
def test_unsafe_token_is_refused(softhsm, keys, secrets, monkeypatch) -> None:
    """The token file and its folder must be protected; key and signature must be the right ones."""
    with Keystore(keys) as store:
        module, names = softhsm.module, ["root-4", "root-5"]
        create_token_keys(store, names, module, "drawer", secrets, os.urandom)
        first, second = (store.load_public_key(name) for name in names)
        (keys / "root-4.token").chmod(0o664)
        with pytest.raises(KeyStoreError, match="Others may change the token file of root-4"):
            store.load_signer(first, secrets)
        (keys / "root-4.token").chmod(0o644)
        keys.chmod(0o770)
        with pytest.raises(KeyStoreError, match="change the folder of the token file of root-4"):
            store.load_signer(first, secrets)
        keys.chmod(0o700)
        with pytest.raises(KeyStoreError, match="change its PIN with the token's own tool"):
            store.change_passphrases(names, secrets, secrets, os.urandom)
        shutil.copy2(keys / "root-4.token", keys / "root-5.token")
        with pytest.raises(KeyStoreError, match=r"root-5\.pub does not belong to the key"):
            store.load_signer(second, secrets)
        signer = store.load_signer(first, secrets)
        monkeypatch.setattr(TokenSession, "sign", lambda *_arguments: bytes(64))
        with pytest.raises(KeyStoreError, match=r"does not verify with root-4\.pub"):
            sign_role(Targets(), [signer])
