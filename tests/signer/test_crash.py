"""The signer dies, or its disk fails, at every single step of writing."""

import os
import shutil
from pathlib import Path

import pytest

from server.core.bundle import decode_bundle
from server.core.names import Channel
from signer.ceremony import init_repository
from signer.ceremony_plan import Policy
from signer.keystore import Keystore
from signer.online_keys import decode_online_keys
from signer.release import sign_release
from signer.release_plan import ReleaseOrder
from signer.signing import load_delegated, load_trusted
from signer.work_folder import WorkFolder

STEPS = ((os, "fsync"), (Path, "rename"), (Path, "hardlink_to"), (Path, "unlink"))


class Killed(BaseException):
    """The process is gone: no handler of the code under test may change the disk after it."""


class Faults:
    """Lets `limit` durable steps pass and fails from then on."""

    def __init__(self, limit, error, *, lasting) -> None:
        self.limit, self.error, self.lasting, self.passed = limit, error, lasting, 0

    def install(self, patch) -> None:
        """Put the faults in the way of every durable step."""
        for owner, name in STEPS:
            patch.setattr(owner, name, self._wrap(getattr(owner, name)))
        if self.lasting:
            patch.setattr(shutil, "rmtree", self._wrap(shutil.rmtree))

    def _wrap(self, real):
        def step(*args, **more):
            if self.passed == self.limit or (self.lasting and self.passed > self.limit):
                self.passed += 1
                raise self.error
            self.passed += 1
            return real(*args, **more)

        return step


class OpenKeys(Keystore):
    """A key folder whose keys stay open, because opening one is slow on purpose."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self._open = {}

    def load_signer(self, key, passphrases):
        """Open a key once."""
        if key.name not in self._open:
            self._open[key.name] = super().load_signer(key, passphrases)
        return self._open[key.name]


FAULTS = {
    "killed": (Killed(), True),
    "disk": (OSError(28, "No space left on device"), False),
}


def _run_all(action, check, monkeypatch, kind) -> int:
    """Fail at step 0, 1, 2 … of `action`, `check` after each, until it comes through."""
    error, lasting = FAULTS[kind]
    for limit in range(200):
        faults = Faults(limit, error, lasting=lasting)
        with monkeypatch.context() as patch:
            faults.install(patch)
            try:
                action(limit)
            except type(error):
                failed = True
            else:
                failed = False
        if not failed:
            return limit
        check(limit)
    raise AssertionError("more steps than expected")


def _check_bundles(incoming) -> list[str]:
    """Whatever has a bundle's name is a whole bundle."""
    names = [path.name for path in incoming.iterdir() if not path.name.startswith(".tmp-")]
    for name in names:
        bundle = decode_bundle((incoming / name / "bundle.json").read_bytes())
        found = {path.name for path in (incoming / name / "metadata").iterdir()}
        assert found == {f"{role.version}.{role.name}.json" for role in bundle.roles}
        for blob in bundle.blobs:
            assert (incoming / name / "blobs" / blob.sha256).stat().st_size == blob.length
    return names


@pytest.mark.parametrize("kind", FAULTS)
def test_a_release_survives_a_failure_at_every_step(
    kind, tmp_path, made_repository, made_keys, passphrases, facts, now, monkeypatch
) -> None:
    """The repository stays usable, no bundle is half there, and the same command completes it.

    However often it is run, there is one second version of the role, and it is the one submitted.
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
            ReleaseOrder(Channel("armani", "id", "stable")),
            [facts["first"]],
            now,
            base / "incoming",
        )

    def check(limit):
        base = folders(limit)
        load_delegated(
            WorkFolder(base / "repo"), load_trusted(WorkFolder(base / "repo"), now), "armani"
        )
        submitted = _check_bundles(base / "incoming")
        recorded = base / "repo" / "metadata" / "2.armani.json"
        assert not submitted or recorded.exists()
        if kind == "disk":
            assert not [path for path in (base / "incoming").iterdir() if ".tmp-" in path.name]
        kept = recorded.read_bytes() if recorded.exists() else None
        signed = sign(limit)
        assert signed.version == 2
        assert kept in {None, recorded.read_bytes()}
        assert _check_bundles(base / "incoming") == [signed.bundle]
        assert (
            recorded.read_bytes()
            == (base / "incoming" / signed.bundle / "metadata" / "2.armani.json").read_bytes()
        )
        assert WorkFolder(base / "repo").load_versions()["armani"] == [1, 2]

    for limit in range(40):
        folders(limit)
    assert _run_all(sign, check, monkeypatch, kind) >= 10


@pytest.mark.parametrize("kind", FAULTS)
def test_a_ceremony_survives_a_failure_at_every_step(
    kind, tmp_path, made_keys, passphrases, online_file, now, monkeypatch
) -> None:
    """There is a whole repository or none, and the same command completes it."""
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
        submitted = _check_bundles(base / "incoming")
        assert whole or not submitted
        made = hold(limit)
        assert _check_bundles(base / "incoming") == [made.bundle]
        assert set(folder.load_versions()) == {
            *("root", "targets", "tables", "content", "dior"),
        }

    for limit in range(40):
        (tmp_path / str(limit)).mkdir()
    assert _run_all(hold, check, monkeypatch, kind) >= 15


@pytest.mark.parametrize("kind", FAULTS)
def test_a_new_key_survives_a_failure_at_every_step(
    kind, tmp_path, passphrase, monkeypatch
) -> None:
    """A key is complete, or the same command completes it; a private half that exists is kept."""

    def make(limit):
        return Keystore(tmp_path / str(limit)).create_key("root-1", passphrase, os.urandom)

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

    assert _run_all(make, check, monkeypatch, kind) >= 6
