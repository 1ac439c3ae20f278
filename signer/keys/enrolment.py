"""Enrols keys that were not made in the key folder: keys on tokens and other people's keys."""

from collections.abc import Callable, Sequence

from signer.durable import write_new
from signer.errors import KeyStoreError, refusing, resumable
from signer.keys.key_file import TokenKey, check_token_key, encode_token_file
from signer.keys.key_name import check_holder
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey, check_distinct, encode_public_key, make_tuf_key

_ID_BYTES = 8


def create_token_keys(
    store: Keystore,
    names: Sequence[str],
    module: str,
    label: str,
    passphrases: Passphrases,
    entropy: Callable[[int], bytes],
    holder: str = "",
) -> list[PublicKey]:
    """Make key pairs on a token and enrol them; if one name is refused, no key is made.

    A crash can leave a pair on the token that the folder does not know. The next call refuses its
    name and reports its id; `enrol_token_key` can then enrol it.
    """
    _check_names(store, names)
    check_holder(holder)
    check_token_key(TokenKey(module, label, "00"))
    store.make_folder()
    session = store.open_token(module, label, passphrases, writing=True)
    keys = []
    with (
        resumable("`keys list` shows the keys that were made, so make only the others"),
        store.changing(),
    ):
        _check_names(store, names)  # one may have been made while the PIN was typed
        for name in names:
            key_id = entropy(_ID_BYTES)
            key = PublicKey(name, session.generate(key_id, name).hex(), holder)
            _add(store, key, TokenKey(module, label, key_id.hex()))
            keys.append(key)
    return keys


def enrol_token_key(
    store: Keystore, name: str, token_key: TokenKey, passphrases: Passphrases, holder: str = ""
) -> PublicKey:
    """Enrol an existing key pair of a token."""
    _check_names(store, [name])
    check_holder(holder)
    check_token_key(token_key)
    store.make_folder()
    session = store.open_token(token_key.module, token_key.label, passphrases)
    key_id = bytes.fromhex(token_key.id)
    session.check_private(key_id)
    key = PublicKey(name, session.public(key_id).hex(), holder)
    with store.changing():
        _check_names(store, [name])
        _check_sound(store, [key])
        _add(store, key, token_key)
    return key


def enrol_public_keys(store: Keystore, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """Enrol public halves whose private halves are elsewhere, and return the new ones.

    A key that is already enrolled under its name is skipped. Raises KeyStoreError, and enrols no
    key, for a name that another key has, an invalid point, or a public key with another name.
    """
    for key in keys:
        check_holder(key.holder)
    _check_names(store, [key.name for key in _find_new(store, keys)])
    with (
        resumable("run the same command again to enrol the others"),
        store.changing(),
    ):
        new = _find_new(store, keys)
        _check_names(store, [key.name for key in new])
        _check_sound(store, new)
        for key in new:
            _add(store, key, None)
    return new


def _find_new(store: Keystore, keys: Sequence[PublicKey]) -> list[PublicKey]:
    present = store.load_public_keys() if store.folder.is_dir() else []
    known = {(key.name, key.public) for key in present}
    return [key for key in keys if (key.name, key.public) not in known]


def _check_names(store: Keystore, names: Sequence[str]) -> None:
    store.check_names(names)
    for name in names:
        if store.kind(name) == "file":
            raise KeyStoreError(
                f"{name}.key exists without {name}.pub; complete it with `keys new {name}`, or"
                " choose another name."
            )


def _check_sound(store: Keystore, keys: Sequence[PublicKey]) -> None:
    with refusing(KeyStoreError):
        for key in keys:
            make_tuf_key(key.public)
    check_distinct([*store.load_public_keys(), *keys])


def _add(store: Keystore, key: PublicKey, token_key: TokenKey | None) -> None:
    _, public_path, token_path = store.paths(key.name)
    # A crash before the last line leaves only a token file, which does not count as a key and is
    # replaced here.
    token_path.unlink(missing_ok=True)
    if token_key is not None:
        write_new(token_path, encode_token_file(token_key))
    write_new(public_path, encode_public_key(key))
