"""Online keys: made once, readable by nobody else."""

import pytest

from server.core.errors import FormatError, TrustError
from server.publisher.online_keys import ROLES, create_online_keys, load_online_keys
from server.storage.errors import StorageError

NAMES = [*ROLES, "log"]


def test_made_once(tmp_path):
    """A second run keeps every key and completes what a crash left out."""
    first = create_online_keys(tmp_path / "keys", "rom.example/log")
    assert create_online_keys(tmp_path / "keys", "rom.example/log") == first
    (tmp_path / "keys" / "public.json").unlink()
    assert create_online_keys(tmp_path / "keys", "rom.example/log") == first
    keys = load_online_keys(tmp_path / "keys")
    assert keys.log_verifier.name == "rom.example/log"
    ids = {signer.public_key.keyid for signer in keys.signers.values()}
    assert len(ids) == 3
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_modes(tmp_path, name, mode):
    """Files are 0600; a wider one is refused with the remedy."""
    create_online_keys(tmp_path, "rom.example/log")
    path = tmp_path / f"{name}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    with pytest.raises(TrustError, match=f"has mode 0{mode:o}: run `chmod 600"):
        load_online_keys(tmp_path)
    path.chmod(0o400)
    load_online_keys(tmp_path)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key(tmp_path, data):
    """A damaged file is named in one sentence."""
    create_online_keys(tmp_path, "rom.example/log")
    (tmp_path / "snapshot.pem").write_bytes(data)
    with pytest.raises(TrustError, match=r"snapshot\.pem is not an unencrypted private key"):
        load_online_keys(tmp_path)


def test_none(tmp_path):
    """A folder without keys says what to run."""
    with pytest.raises(StorageError, match="run `hening-server init` first"):
        load_online_keys(tmp_path)


@pytest.mark.parametrize("origin", ["", "Rom.example", "rom example", "a+b", "a\nb", "a" * 65])
def test_a_log_name_that_no_checkpoint_can_carry(tmp_path, origin):
    """It is refused before anything is written: the name is for ever."""
    with pytest.raises(FormatError, match="cannot name a log"):
        create_online_keys(tmp_path / "keys", origin)
    assert not (tmp_path / "keys").exists()
