import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from server.core.encodings import encode_canonical_json
from server.core.note import VerifierKey
from signer.ceremony.initial import init_repository
from signer.ceremony.plan import decode_online_keys
from signer.ceremony.policy import Policy
from signer.keys.keystore import Keystore
from signer.ota.inspect import inspect_ota
from signer.ota.summary import OtaFacts
from signer.work_folder import WorkFolder
from tests.softhsm import PIN, SoftHsm, forget_module, make_softhsm

PASSPHRASE = b"correct horse battery"
KEY_NAMES = (
    *("root-1", "root-2", "root-3", "targets-1", "targets-2", "tables-1", "tables-2"),
    *("content-1", "armani-1", "armani-2", "dior-1"),
)


HOLDERS = {
    "alice": ("root-1", "targets-1", "tables-1", "armani-1", "content-1"),
    "bob": ("root-2", "targets-2", "tables-2", "armani-2"),
    "carol": ("root-3", "dior-1"),
}


def _public(seed: int) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()


@pytest.fixture(scope="session")
def now() -> datetime:
    """Return the time at which everything here is signed."""
    return datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def passphrase() -> bytes:
    """Return the passphrase of every key here."""
    return PASSPHRASE


@pytest.fixture(scope="session")
def passphrases() -> Callable[[str], bytes]:
    """Return a function that gives the passphrase of any key."""
    return lambda _name: PASSPHRASE


@pytest.fixture
def softhsm(tmp_path, monkeypatch) -> Iterator[SoftHsm]:
    """Make a folder of tokens with one token, `drawer`, that this process sees."""
    made = make_softhsm(tmp_path / "softhsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    made.add("drawer")
    forget_module()
    yield made
    forget_module()


@pytest.fixture
def secrets() -> Callable[[str], bytes]:
    """Return a function that gives the passphrase of any key and the PIN of any token."""
    return lambda name: PIN.encode() if name.startswith("token ") else PASSPHRASE


@pytest.fixture(scope="session")
def online_file() -> bytes:
    """Return the bytes of `public.json` as the server's `init` writes it."""
    return encode_canonical_json(
        {
            "keys": {
                "latest": _public(1).hex(),
                "log": str(VerifierKey("log.example/hening", _public(2))),
                "snapshot": _public(3).hex(),
                "timestamp": _public(4).hex(),
            },
            "schema": 1,
        }
    )


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory) -> Path:
    """Make a folder of keys that no test changes."""
    folder = tmp_path_factory.mktemp("made") / "keys"
    Keystore(folder).create_keys(KEY_NAMES, lambda _name: PASSPHRASE, os.urandom)
    return folder


@pytest.fixture
def keys(made_keys, tmp_path) -> Path:
    """Copy the keys for one test."""
    return Path(shutil.copytree(made_keys, tmp_path / "keys"))


@pytest.fixture(scope="session")
def made_repository(made_keys, tmp_path_factory, online_file, passphrases, now) -> Path:
    """Hold a ceremony for armani and dior: `repo` and `incoming`; no test changes it."""
    folder = tmp_path_factory.mktemp("made-repository")
    (folder / "incoming").mkdir()
    init_repository(
        WorkFolder(folder / "repo"),
        Keystore(made_keys),
        passphrases,
        decode_online_keys(online_file),
        Policy(("armani", "dior"), {"armani": 2}),
        now,
        folder / "incoming",
    )
    return folder


@pytest.fixture
def repo(made_repository, tmp_path) -> Path:
    """Copy the working folder for one test."""
    return Path(shutil.copytree(made_repository / "repo", tmp_path / "repo"))


@pytest.fixture(scope="session")
def holder_folders(made_keys, tmp_path_factory) -> dict[str, Path]:
    """Give each holder a folder with their own keys only; no test changes it."""
    base = tmp_path_factory.mktemp("desks")
    for holder, names in HOLDERS.items():
        (base / holder).mkdir(mode=0o700)
        for name in names:
            for suffix in (".key", ".pub"):
                shutil.copy2(made_keys / f"{name}{suffix}", base / holder)
    return {holder: base / holder for holder in HOLDERS}


@pytest.fixture
def incoming(tmp_path) -> Path:
    """Make an empty folder for bundles."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def zips(tmp_path_factory) -> dict[str, Path]:
    """Build real packages of armani: `first` full, `second` full, `step` from first to second."""
    folder = tmp_path_factory.mktemp("zips")
    first, second = find_build("armani", "id", 0), find_build("armani", "id", 1)
    paths = {
        "first": (folder / "armani-first.zip", build_zip(first)),
        "second": (folder / "armani-second.zip", build_zip(second)),
        "step": (folder / "armani-step.zip", build_zip(second, first)),
    }
    for path, data in paths.values():
        path.write_bytes(data)
    return {name: path for name, (path, _) in paths.items()}


@pytest.fixture(scope="session")
def facts(zips) -> dict[str, OtaFacts]:
    """Inspect each of `zips`."""
    return {name: inspect_ota(path) for name, path in zips.items()}


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, str]]:
    """Return a function that lists a folder: relative path to mode and hash."""

    def listing(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): f"{path.stat().st_mode:o} "
            + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder")
            for path in sorted(folder.rglob("*"))
        }

    return listing
