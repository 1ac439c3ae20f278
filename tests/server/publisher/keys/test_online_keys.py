"""Online keys are made once, and are readable by their owner only."""

import json
import re
from itertools import product

import pytest

from server.core.errors import FormatError, TrustError
from server.publisher.keys.online_keys import (
    ROLES,
    create_next_keys,
    create_online_keys,
    load_online_keys,
    promote_next_key,
)
from server.storage.errors import StorageError
from tests.cases import case

NAMES = [*ROLES, "log"]
NAMES_SORTED = sorted(NAMES)


def test_existing_keys_are_kept(tmp_path):
    """A second run keeps every key and restores a missing `public.json`."""
    first = create_online_keys(tmp_path / "keys", "rom.example/log")
    assert create_online_keys(tmp_path / "keys", "rom.example/log") == first
    (tmp_path / "keys" / "public.json").unlink()
    assert create_online_keys(tmp_path / "keys", "rom.example/log") == first
    keys = load_online_keys(tmp_path / "keys")
    assert keys.log_verifier.name == "rom.example/log"
    ids = {signer.public_key.keyid for signer in keys.signers.values()}
    assert len(ids) == 3
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_modes_of_key_files(tmp_path):
    """Key files have mode 0600; a wider mode is refused with the command to run."""
    create_online_keys(tmp_path, "rom.example/log")
    create_next_keys(tmp_path, ["latest"])
    for name, mode in product((*NAMES, "latest.next"), (0o640, 0o604, 0o644, 0o660, 0o601)):
        with case(name, mode):
            path = tmp_path / f"{name}.pem"
            assert path.stat().st_mode & 0o777 == 0o600
            path.chmod(mode)
            with pytest.raises(TrustError, match=f"{name}.pem has mode 0{mode:o}: run `chmod 600"):
                load_online_keys(tmp_path)
            path.chmod(0o400)
            load_online_keys(tmp_path)
            path.chmod(0o600)


def test_damaged_key_file(tmp_path):
    """A damaged key file is refused, and the error names it."""
    create_online_keys(tmp_path, "rom.example/log")
    for data in (b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"):
        (tmp_path / "snapshot.pem").write_bytes(data)
        with pytest.raises(TrustError, match=r"snapshot\.pem is not an unencrypted private key"):
            load_online_keys(tmp_path)


def test_next_keys(tmp_path):
    """Next keys are made once and published in `public.json`; a rename makes them current."""
    first = json.loads(create_online_keys(tmp_path, "rom.example/log"))["keys"]
    handed = create_next_keys(tmp_path, ["snapshot", "log"])
    assert create_next_keys(tmp_path, ["snapshot", "log"]) == handed
    assert create_online_keys(tmp_path) == handed == (tmp_path / "public.json").read_bytes()
    second = json.loads(handed)["keys"]
    assert {name for name in NAMES if first[name] != second[name]} == {"snapshot", "log"}
    assert second["log"].startswith("rom.example/log+")
    keys = load_online_keys(tmp_path)
    assert {name: signer.public_key.keyval["public"] for name, signer in keys.signers.items()} == {
        role: first[role] for role in ROLES
    }
    assert [str(key.verifier) for key in keys.log_keys] == [first["log"], second["log"]]
    former = (tmp_path / "snapshot.pem").read_bytes()
    for name in ("snapshot", "log"):
        assert (tmp_path / f"{name}.next.pem").stat().st_mode & 0o777 == 0o600
        promote_next_key(tmp_path, name)
    assert all(former != path.read_bytes() for path in tmp_path.iterdir())
    assert sorted(path.name for path in tmp_path.glob("*.pem")) == [
        f"{n}.pem" for n in NAMES_SORTED
    ]
    assert create_online_keys(tmp_path) == handed
    assert str(load_online_keys(tmp_path).log_verifier) == second["log"]


def test_next_keys_afresh(tmp_path):
    """With `afresh`, only the named next keys are replaced."""
    create_online_keys(tmp_path, "rom.example/log")
    before = json.loads(create_next_keys(tmp_path, NAMES))["keys"]
    files = {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")}
    after = json.loads(create_next_keys(tmp_path, ["snapshot", "log"], afresh=True))["keys"]
    assert {name for name in NAMES if before[name] != after[name]} == {"snapshot", "log"}
    changed = {
        path.name for path in tmp_path.glob("*.pem") if files[path.name] != path.read_bytes()
    }
    assert changed == {"snapshot.next.pem", "log.next.pem"}
    assert (tmp_path / "log.next.pem").stat().st_mode & 0o777 == 0o600


def test_missing_key_file(tmp_path):
    """The error about a missing key names both remedies; a new run makes only that key.

    For a folder without keys, it names `hening-server init`.
    """
    folder = tmp_path / "keys"
    with pytest.raises(StorageError, match="run `hening-server init` for a new server"):
        load_online_keys(folder)
    create_online_keys(folder, "rom.example/log")
    for name in NAMES:
        path = folder / f"{name}.pem"
        files = {p.name: p.read_bytes() for p in folder.glob("*.pem")}
        path.unlink()
        remedies = "restore it from a copy, or run `hening-server init --state"
        with pytest.raises(
            StorageError, match=re.escape(f"{path} is gone: {remedies} {tmp_path}`")
        ):
            load_online_keys(folder)
        create_online_keys(folder)
        changed = {p.name for p in folder.glob("*.pem") if files[p.name] != p.read_bytes()}
        assert changed == {path.name}


def test_lost_log_name(tmp_path):
    """A lost log name is restored from the pinned root; another name is refused."""
    create_online_keys(tmp_path, "rom.example/log")
    (tmp_path / "log-origin").unlink()
    with pytest.raises(TrustError, match=r"the log of this state is rom\.example/log"):
        create_online_keys(tmp_path, "other.example/log", "rom.example/log")
    create_online_keys(tmp_path, None, "rom.example/log")
    assert load_online_keys(tmp_path).log_verifier.name == "rom.example/log"


def test_repr_without_private_keys(tmp_path):
    """The repr of the keys does not contain a private key."""
    create_online_keys(tmp_path, "rom.example/log")
    create_next_keys(tmp_path, NAMES)
    keys = load_online_keys(tmp_path)
    seeds = [key.private.private_bytes_raw() for key in keys.log_keys]
    for seed in seeds:
        assert seed.hex() not in repr(keys)
        assert repr(seed)[2:-1] not in repr(keys)


def test_invalid_log_name(tmp_path):
    """An invalid log name is refused before any file is written, because it is permanent."""
    for origin in ("", "Rom.example", "rom example", "a+b", "a\nb", "a" * 65):
        with case(origin), pytest.raises(FormatError, match="cannot name a log"):
            create_online_keys(tmp_path / "keys", origin)
    assert not (tmp_path / "keys").exists()
