"""The keys that this server holds: latest, snapshot, timestamp and the log's, each in a 0600 file.

    ROLE.pem, log.pem            the current key
    ROLE.next.pem, log.next.pem  the one that follows it, while the role's key is being rotated
    log-origin                   the log's name, which never changes
    public.json                  the public halves for the signers: of the next key if there is one

Outside the signer, only this module handles private keys.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SecretsHandler, Signer

from server.core.encodings import encode_canonical_json
from server.core.errors import TrustError
from server.core.note import VerifierKey, check_log_name
from server.core.tiles import GrowingTree
from server.publisher.published import Published
from server.storage.durable import is_private, make_folder, move_durable, write_durable
from server.storage.errors import StorageError

ROLES = ("latest", "snapshot", "timestamp")
HOLDERS = (*ROLES, "log")
DEFAULT_ORIGIN = "hening.example/log"


@dataclass(frozen=True, slots=True)
class History:
    """Proves to a remote key which log it is about to sign.

    `tree` has every leaf; `entries` are those from the index `first` on. `public` is the size of
    the public checkpoint, 0 without one.
    """

    tree: GrowingTree
    first: int
    entries: Sequence[bytes]
    public: int


class LogSigner(Protocol):
    """Signs the log's checkpoints; for a remote key, `sign` sends a request."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""

    def sign(self, text: bytes, history: History | None = None) -> bytes:
        """Return the signature of a checkpoint's text."""


class HeldSigner(Signer):
    """A signer of a role whose key cannot be opened by a URI, because of `reason`."""

    reason: ClassVar[str]

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: SecretsHandler | None = None,
    ) -> Self:
        """Refuse."""
        del public_key, secrets_handler  # the interface names them
        raise TrustError(f"{priv_key_uri!r} is not used: {cls.reason}.")


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key pair of the log."""

    verifier: VerifierKey
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, text: bytes, history: History | None = None) -> bytes:
        """Return this key's signature of a note's text; a local key needs no `history`."""
        del history
        return self.private.sign(text)


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """The current key of each role and of the log, and the next keys, if any."""

    signers: Mapping[str, Signer]
    log: LogSigner
    next_signers: Mapping[str, Signer] = field(default_factory=dict)
    next_log: LogSigner | None = None
    log_size: int = 0
    """Leaves of the largest signed checkpoint; 0 if the keys are in this process."""

    @property
    def log_verifier(self) -> VerifierKey:
        """The verifier key of the log's current key."""
        return self.log.verifier

    @property
    def log_keys(self) -> tuple[LogSigner, ...]:
        """The log's keys, which all sign: a checkpoint is valid under an old root and a new one."""
        return (self.log,) if self.next_log is None else (self.log, self.next_log)


def create_online_keys(folder: Path, log_origin: str | None = None, pinned: str = "") -> bytes:
    """Make the missing keys and return the bytes of `public.json`.

    An existing key is kept, so a second run after a crash completes the first. The log's origin is
    chosen once; `pinned` is the one that a root names, if any. Raises TrustError for another one.
    """
    present = log_name(folder) or pinned
    if present and log_origin not in {None, present}:
        raise TrustError(f"the log of this state is {present}, and its name cannot change.")
    if log_origin is None:
        log_origin = present or DEFAULT_ORIGIN
    check_log_name(log_origin)  # before anything is written
    make_folder(folder)
    for name in HOLDERS:
        _create(folder / f"{name}.pem")
    origin = folder / "log-origin"
    if not origin.exists():
        write_durable(origin, f"{log_origin}\n".encode())
    return _write_public(folder)


def create_next_keys(folder: Path, names: Iterable[str], *, afresh: bool = False) -> bytes:
    """Make the next key of each of `names` and return the bytes of `public.json`.

    An existing next key is kept, so a second run after a crash completes the first; `afresh`
    replaces it.
    """
    load_online_keys(folder)
    for name in names:
        _create(folder / f"{name}.next.pem", afresh=afresh)
    return _write_public(folder)


def promote_next_key(folder: Path, name: str) -> None:
    """Make the next key of `name` its current one; the private half of the former is removed."""
    move_durable(folder / f"{name}.next.pem", folder / f"{name}.pem")


def log_name(folder: Path) -> str:
    """Return the log's origin, empty if none was chosen yet."""
    try:
        return (folder / "log-origin").read_text().strip()
    except FileNotFoundError:
        return ""


def load_online_keys(folder: Path) -> OnlineKeys:
    """Load the online keys; raises TrustError for a key file that others may read."""
    origin = log_name(folder)
    if not origin:
        raise StorageError(
            f"there are no online keys in {folder}: copy them from where they are kept, or run"
            " `hening-server init` for a new server."
        )
    private = {name: _load(folder / f"{name}.pem") for name in HOLDERS}
    following = {
        name: _load(path) for name in HOLDERS if (path := folder / f"{name}.next.pem").exists()
    }
    return OnlineKeys(
        {role: CryptoSigner(private[role]) for role in ROLES},
        _log_key(origin, private["log"]),
        {role: CryptoSigner(key) for role, key in following.items() if role != "log"},
        _log_key(origin, following["log"]) if "log" in following else None,
    )


def _create(path: Path, *, afresh: bool = False) -> None:
    if afresh or not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_durable(path, pem)


def encode_public(keys: OnlineKeys) -> bytes:
    """Return the bytes of `public.json`."""
    signers = {**keys.signers, **keys.next_signers}
    public = {role: signer.public_key.keyval["public"] for role, signer in signers.items()}
    public["log"] = str(keys.log_keys[-1].verifier)
    return encode_canonical_json({"keys": public, "schema": 1})


def _write_public(folder: Path) -> bytes:
    data = encode_public(load_online_keys(folder))
    write_durable(folder / "public.json", data)
    return data


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise StorageError(
            f"{path} is gone: restore it from a copy, or run `hening-server init --state"
            f" {path.parent.parent}` for a new key, which counts when the signers have listed it."
        ) from error
    if not is_private(found, os.geteuid()):
        mode = stat.S_IMODE(found.st_mode)
        raise TrustError(f"{path} has mode {mode:04o}: run `chmod 600 {path}`, others may read it.")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TrustError(f"{path} is not an unencrypted private key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(f"{path} is not an ed25519 key.")
    return key


def _log_key(origin: str, private: Ed25519PrivateKey) -> LogKey:
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return LogKey(VerifierKey(origin, public), private)


Renewal = Literal["", "timestamp", "all"]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of key files.

    `keys` are those that can sign once `apply` has made or renamed the files. `renew` says which
    online roles they sign again then; if it is empty, the log is not signed again either.
    """

    keys: OnlineKeys
    apply: Callable[[], object]
    renew: Renewal


PlanKeys = Callable[[OnlineKeys, Published | None, datetime], KeyChange]
"""Plans a change from the present keys, the published state if there is one, and the time."""
