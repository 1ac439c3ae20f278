"""Fails at each step of writing, as a power cut or a full disk does."""

import os
import shutil
from pathlib import Path

from server.core.bundle import decode_bundle
from signer.keys.keystore import Keystore

STEPS = ((os, "fsync"), (Path, "rename"), (Path, "hardlink_to"), (Path, "unlink"))


class Killed(BaseException):
    """The process was killed: no handler of the code under test may change the disk after it."""


class Faults:
    """Lets `limit` durable steps pass; the next one fails, and all later ones if `lasting`."""

    def __init__(self, limit, error, *, lasting) -> None:
        self.limit, self.error, self.lasting, self.passed = limit, error, lasting, 0

    def install(self, patch) -> None:
        """Patch every durable step."""
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
    """A key folder that opens each key only once, because opening is slow on purpose."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self._open = {}

    def load_signer(self, key, passphrases):
        """Open a key, or return the open one."""
        if key.name not in self._open:
            self._open[key.name] = super().load_signer(key, passphrases)
        return self._open[key.name]


FAULTS = {"killed": (Killed(), True), "disk": (OSError(28, "No space left on device"), False)}


def run_all(action, check, monkeypatch, kind) -> int:
    """Fail at step 0, 1, 2 … of `action` and `check` after each, until `action` succeeds."""
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


def check_bundles(incoming) -> list[str]:
    """Check that each folder with a bundle's name is a complete bundle; return the names."""
    names = [path.name for path in incoming.iterdir() if not path.name.startswith(".tmp-")]
    for name in names:
        bundle = decode_bundle((incoming / name / "bundle.json").read_bytes())
        found = {path.name for path in (incoming / name / "metadata").iterdir()}
        assert found == {f"{role.version}.{role.name}.json" for role in bundle.roles}
        for blob in bundle.blobs:
            assert (incoming / name / "blobs" / blob.sha256).stat().st_size == blob.length
    return names
