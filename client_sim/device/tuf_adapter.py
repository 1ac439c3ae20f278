"""The only module that uses python-tuf's state machine, an internal class of its client.

`TrustedMetadataSet` takes bytes and returns verified objects, without I/O, and passes the TUF
conformance suite. The public `Updater` around it sends requests in another order and with other
headers. This module translates the errors of `TrustedMetadataSet` and sets its clock.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tuf.api.exceptions import (
    BadVersionNumberError,
    EqualVersionNumberError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from client_sim.device.errors import ExpiredError, OlderError, TrustError
from client_sim.device.release import MAX_INTEGER

# 9999-12-31, the last day that TUF's date format can hold.
_LAST_SECOND: Final = 253_402_214_400


class VerifiedMetadata:
    """The metadata verified so far in one poll, in TUF's order; every method raises TrustError.

    It starts from the trusted `root`; expiry is checked at `now`, epoch seconds. `versions` are
    those of the usable roles.
    """

    def __init__(self, root: bytes, now: float) -> None:
        with _translating_errors("root"):
            self._set = TrustedMetadataSet(root, EnvelopeType.METADATA)
        self.set_time(now)
        self.versions = {"root": check_version(self.root.version)}

    def set_time(self, now: float) -> None:
        """Check expiry at `now` from now on; a reset in a new root may lower the time."""
        self._set.reference_time = dt.datetime.fromtimestamp(
            max(0, min(int(now), _LAST_SECOND)), dt.UTC
        )

    @property
    def root(self) -> Root:
        """The newest verified root."""
        return self._set.root

    @property
    def timestamp(self) -> Timestamp:
        """The verified timestamp."""
        return self._set.timestamp

    @property
    def snapshot(self) -> Snapshot | None:
        """The verified snapshot, or None; it may be an older one, kept for comparison."""
        snapshot = self._set.get("snapshot")
        return snapshot if isinstance(snapshot, Snapshot) else None

    @property
    def targets(self) -> Targets:
        """The verified top-level targets."""
        return self._set.targets

    def role(self, name: str, delegator: str = "targets") -> Targets | None:
        """Return a delegated role that was verified for `delegator`, or None."""
        if not self._set.contains(name, delegator):
            return None
        signed = self._set[name]
        assert isinstance(signed, Targets)
        return signed

    def update_root(self, data: bytes) -> Root:
        """Verify the next root."""
        with _translating_errors("root"):
            root = self._set.update_root(data)
        self.versions["root"] = check_version(root.version)
        return root

    def update_timestamp(self, data: bytes) -> bool:
        """Verify a timestamp; False means that the phone already has it."""
        with _translating_errors("timestamp"):
            try:
                self._set.update_timestamp(data)
                is_new = True
            except EqualVersionNumberError:
                self._check_expiry()
                is_new = False
            except BadVersionNumberError:
                version = Metadata[Timestamp].from_bytes(data).signed.version
                if version >= self.timestamp.version:  # it lists an older snapshot
                    raise
                self._check_expiry()
                raise OlderError(
                    f"The server showed timestamp {version}, which is older than"
                    f" {self.timestamp.version}; it was not used."
                ) from None
        self.versions["timestamp"] = check_version(self.timestamp.version)
        check_version(self.timestamp.snapshot_meta.version)
        return is_new

    def _check_expiry(self) -> None:
        if self.timestamp.is_expired(self._set.reference_time):
            raise ExpiredMetadataError("timestamp.json is expired") from None

    def update_snapshot(self, data: bytes, *, is_stored: bool) -> Snapshot:
        """Verify a snapshot; `is_stored` says that it is the stored one, verified before."""
        with _translating_errors("snapshot"):
            snapshot = self._set.update_snapshot(data, trusted=is_stored)
        self.versions["snapshot"] = check_version(snapshot.version)
        for meta in snapshot.meta.values():
            check_version(meta.version)
        return snapshot

    def update_role(self, name: str, data: bytes, delegator: str = "targets") -> Targets:
        """Verify the top-level targets, or a role that `delegator` delegates to."""
        with _translating_errors(name):
            role = self._set.update_delegated_targets(
                data, name, "root" if name == "targets" else delegator
            )
        self.versions[name] = check_version(role.version)
        return role

    def find_meta(self, name: str) -> MetaFile | None:
        """Return the snapshot's entry for a role, or None if the role is not listed."""
        snapshot = self.snapshot
        return None if snapshot is None else snapshot.meta.get(f"{name}.json")


def check_version(version: object) -> int:
    """Return `version` if it is from 1 to 2^53 - 1; raises TrustError otherwise."""
    if type(version) is not int or not 1 <= version <= MAX_INTEGER:
        raise TrustError("The metadata contains an invalid version number.")
    return version


@contextmanager
def _translating_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ExpiredMetadataError as error:
        raise ExpiredError(
            f"The metadata has expired ({error}); nothing is installed until newer is published."
        ) from error
    except (
        RepositoryError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        # The library's own errors, and those that its parser does not catch for input that is not
        # metadata.
        text = _shorten(str(error)).rstrip(".") or type(error).__name__
        raise TrustError(f"The {_shorten(name)} metadata was refused: {text}.") from error


def _shorten(text: str) -> str:
    """Return a short, printable form of a text that may quote the server."""
    return "".join(character for character in text[:160] if character.isprintable())
