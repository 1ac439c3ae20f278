"""The signer is killed, or its disk fails, at each step of writing."""

import os
import shutil

import pytest

from server.core.names import Channel
from signer.ceremony.initial import init_repository
from signer.ceremony.plan import decode_online_keys
from signer.ceremony.policy import Policy
from signer.keys.keystore import Keystore
from signer.release.plan import ReleaseRequest
from signer.release.sign import sign_release
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder
from tests.signer.faults import FAULTS, OpenKeys, check_bundles, run_all


@pytest.mark.parametrize("kind", FAULTS)
def test_release_survives_failure_at_each_step(
    kind, tmp_path, made_repository, made_keys, passphrases, facts, now, monkeypatch
) -> None:
    """The repository stays usable, no bundle is incomplete, and the same command completes it.

    However often it is run, there is one second version of the role, and that one is submitted.
    """
    store = OpenKeys(made_keys)

    def folders(limit):
        base = tmp_path / str(limit)
        if not base.exists():
            shutil.copytree(made_repository / "repo", base / "repo")
            (base / "incoming").mkdir()
        return base

    def sign(limit):
        base = folders(limit)
        return sign_release(
            WorkFolder(base / "repo"),
            store,
            passphrases,
            ReleaseRequest(Channel("armani", "id", "stable")),
            [facts["first"]],
            now,
            base / "incoming",
        )

    def check(limit):
        base = folders(limit)
        load_delegated(
            WorkFolder(base / "repo"), load_trusted(WorkFolder(base / "repo"), now), "armani"
        )
        submitted = check_bundles(base / "incoming")
        recorded = base / "repo" / "metadata" / "2.armani.json"
        assert not submitted or recorded.exists()
        if kind == "disk":
            assert not [path for path in (base / "incoming").iterdir() if ".tmp-" in path.name]
        kept = recorded.read_bytes() if recorded.exists() else None
        signed = sign(limit)
        assert signed.version == 2
        assert kept in {None, recorded.read_bytes()}
        assert check_bundles(base / "incoming") == [signed.bundle]
        assert (
            recorded.read_bytes()
            == (base / "incoming" / signed.bundle / "metadata" / "2.armani.json").read_bytes()
        )
        assert WorkFolder(base / "repo").load_versions()["armani"] == [1, 2]

    for limit in range(40):
        folders(limit)
    assert run_all(sign, check, monkeypatch, kind) >= 10


@pytest.mark.parametrize("kind", FAULTS)
def test_ceremony_survives_failure_at_each_step(
    kind, tmp_path, made_keys, passphrases, online_file, now, monkeypatch
) -> None:
    """There is a complete repository or none, and the same command completes it."""
    store = OpenKeys(made_keys)

    def hold(limit):
        base = tmp_path / str(limit)
        return init_repository(
            WorkFolder(base / "repo"),
            store,
            passphrases,
            decode_online_keys(online_file),
            Policy(("dior",)),
            now,
            base / "incoming",
        )

    def check(limit):
        base = tmp_path / str(limit)
        folder = WorkFolder(base / "repo")
        whole = folder.exists()
        if whole:
            load_delegated(folder, load_trusted(folder, now), "dior")
        submitted = check_bundles(base / "incoming")
        assert whole or not submitted
        made = hold(limit)
        assert check_bundles(base / "incoming") == [made.bundle]
        assert set(folder.load_versions()) == {*("root", "targets", "tables", "content", "dior")}

    for limit in range(40):
        (tmp_path / str(limit) / "incoming").mkdir(parents=True)
    assert run_all(hold, check, monkeypatch, kind) >= 15


@pytest.mark.parametrize("kind", FAULTS)
def test_new_key_survives_failure_at_each_step(kind, tmp_path, passphrase, monkeypatch) -> None:
    """A key is complete, or the same command completes it; an existing private half is kept."""

    def make(limit):
        store = Keystore(tmp_path / str(limit))
        return store.create_keys(["root-1"], lambda _name: passphrase, os.urandom)[0]

    def check(limit):
        folder = tmp_path / str(limit)
        private = folder / "root-1.key"
        kept = private.read_bytes() if private.exists() else None
        complete = (folder / "root-1.pub").exists()
        key = Keystore(folder).load_public_keys()[0] if complete else make(limit)
        assert kept in {None, private.read_bytes()}
        Keystore(folder).load_signer(key, lambda _name: passphrase)
        for path in folder.glob("*.key"):
            assert path.stat().st_mode & 0o777 == 0o600

    assert run_all(make, check, monkeypatch, kind) >= 6
