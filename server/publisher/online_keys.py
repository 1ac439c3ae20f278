"""The keys that this server holds: latest, snapshot, timestamp and the log's, each in a 0600 file.

The only place outside the signer where a private key is in reach.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError, TrustError
from server.core.note import VerifierKey, decode_verifier_key
from server.storage.durable import write_durable
from server.storage.errors import StorageError

ROLES = ("latest", "snapshot", "timestamp")
DEFAULT_ORIGIN = "hening.example/log"


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """Signers by role, and the log's key pair."""

    signers: Mapping[str, CryptoSigner]
    log_verifier: VerifierKey
    log_key: Ed25519PrivateKey

    def sign_note(self, text: bytes) -> bytes:
        """Return the log key's signature of a note's text."""
        return self.log_key.sign(text)


def create_online_keys(folder: Path, log_origin: str | None = None) -> bytes:
    """Make the keys that are not there yet and return the octets of `public.json`.

    A key that is there is kept, so that a second run after a crash completes the first. The log's
    origin is chosen once; TrustError for another one.
    """
    present = log_name(folder)
    if present and log_origin not in {None, present}:
        raise TrustError(f"the log of this state is {present}, and it keeps its name for ever.")
    if log_origin is None:
        log_origin = present or DEFAULT_ORIGIN
    # A name that no checkpoint can carry is refused before anything is written.
    try:
        decode_verifier_key(str(VerifierKey(log_origin, bytes(32))))
    except FormatError as error:
        raise FormatError(
            f"{log_origin[:64]!r} cannot name a log: use a host name and a path of lower-case"
            " letters, digits and `-`, such as rom.example/log."
        ) from error
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (*ROLES, "log"):
        path = folder / f"{name}.pem"
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            write_durable(path, pem, mode=0o600)
    origin = folder / "log-origin"
    if not origin.exists():
        write_durable(origin, f"{log_origin}\n".encode())
    keys = load_online_keys(folder)
    public = {role: _public_octets(_load(folder / f"{role}.pem")).hex() for role in ROLES}
    data = encode_canonical_json({"keys": {**public, "log": str(keys.log_verifier)}, "schema": 1})
    write_durable(folder / "public.json", data)
    return data


def log_name(folder: Path) -> str:
    """Return the log's origin, empty where none was chosen yet."""
    try:
        return (folder / "log-origin").read_text().strip()
    except FileNotFoundError:
        return ""


def load_online_keys(folder: Path) -> OnlineKeys:
    """Load the online keys; raises TrustError for a key file that others may read."""
    try:
        origin = (folder / "log-origin").read_text().strip()
    except FileNotFoundError as error:
        raise StorageError(
            f"there are no online keys in {folder}: run `hening-server init` first."
        ) from error
    log_key = _load(folder / "log.pem")
    return OnlineKeys(
        {role: CryptoSigner(_load(folder / f"{role}.pem")) for role in ROLES},
        VerifierKey(origin, _public_octets(log_key)),
        log_key,
    )


def _load(path: Path) -> Ed25519PrivateKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise TrustError(f"{path} has mode {mode:04o}: run `chmod 600 {path}`, others may read it.")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TrustError(f"{path} is not an unencrypted private key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(f"{path} is not an ed25519 key.")
    return key


def _public_octets(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
