"""Errors of the phone.

    DeviceError
    ├── TransportError          an answer was refused, or none arrived
    │   ├── GoneError           the answer is 404 or 410: the requested file does not exist
    │   └── UnreachableError    the environment failed: no address, no connection, or it broke
    ├── TrustError              metadata is not what the trusted root allows
    │   ├── ExpiredError        metadata has expired; polling continues
    │   ├── OlderError          a timestamp is older than the one that the phone has
    │   ├── LimitError          a new version exceeds a limit on irreversible changes
    │   └── ProfileError        valid TUF metadata that this profile refuses
    ├── LogError                a note, a checkpoint or a proof is malformed or proves nothing
    ├── ReleaseError            a release is malformed
    ├── PointerError            a pointer is malformed or offers older code
    ├── ContentError            an index or a pack of public content is malformed
    ├── AgreementError          pointer and release disagree
    ├── DownloadError           a downloaded package is not the announced one
    ├── InstallError            the update engine refuses the package, or the update was stopped
    ├── StateError              a record in the phone's state cannot be read
    └── StorageError            the phone's disk failed

Each message is one sentence that a person can act on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from client_sim.engine.errors import AlteredError, EngineError, NotStreamableError
from client_sim.errors import SimulatorError


class DeviceError(SimulatorError):
    """The base class of all errors of this package."""


class TransportError(DeviceError):
    """FORMATS section 9 does not allow the answer."""


class GoneError(TransportError):
    """The requested file does not exist (404), or no longer exists (410)."""


class UnreachableError(TransportError):
    """No connection could be made, or it broke."""


class TrustError(DeviceError):
    """Metadata is not what the trusted root allows."""


class ExpiredError(TrustError):
    """Metadata is past its expiry, so nothing is installed from it."""


class OlderError(TrustError):
    """A timestamp that was valid is older than the one that the phone has."""


class LimitError(TrustError):
    """A new version of a role exceeds a limit of FORMATS section 16."""


class ProfileError(TrustError):
    """Metadata is valid TUF, but breaks a rule of FORMATS section 2."""


class LogError(DeviceError):
    """A note, a checkpoint or a proof is malformed, or does not prove what it must prove."""


class ReleaseError(DeviceError):
    """The `custom` object of a release is malformed (FORMATS section 3)."""


class PointerError(DeviceError):
    """The `custom` object of a pointer is malformed or offers older code (FORMATS section 4)."""


class ContentError(DeviceError):
    """FORMATS section 15 does not allow an index or a pack, or the phone has none to use."""


class AgreementError(DeviceError):
    """The codename role does not list the package that the pointer offers."""


class DownloadError(DeviceError):
    """A downloaded package does not have the signed length and hash."""


class InstallError(DeviceError):
    """The package cannot be installed, or must no longer be installed."""


class StateError(DeviceError):
    """A record in the phone's state is damaged."""


class StorageError(DeviceError):
    """The phone's disk failed."""


@contextmanager
def disk_fails() -> Iterator[None]:
    """Raise StorageError in place of OSError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error


@contextmanager
def engine_refuses() -> Iterator[None]:
    """Raise DownloadError, InstallError or StorageError in place of the engine's and disk's errors.

    NotStreamableError is not translated.
    """
    try:
        with disk_fails():
            yield
    except NotStreamableError:
        # Not a refusal: the caller installs the package from a file instead.
        raise
    except AlteredError as error:
        raise DownloadError(str(error)) from error
    except EngineError as error:
        raise InstallError(str(error)) from error
