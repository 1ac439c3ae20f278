"""What the phone raises.

    DeviceError
    ├── TransportError          an answer was refused, or there was none
    │   ├── GoneError           the answer is 404 or 410: the requested file does not exist
    │   └── UnreachableError    the environment failed: no address, no connection, a broken one
    ├── TrustError              metadata is not what the trusted root allows
    │   ├── ExpiredError        metadata has expired; polling continues
    │   ├── OlderError          a timestamp is older than the one that the phone has
    │   ├── LimitError          a new version exceeds a limit on irreversible changes
    │   └── ProfileError        valid TUF metadata that this profile refuses
    ├── LogError                a note, a checkpoint or a proof is malformed or proves nothing
    ├── ReleaseError            a release is malformed
    ├── PointerError            a pointer is malformed or leads back
    ├── ContentError            an index or a pack of public content is malformed
    ├── AgreementError          pointer and release do not say the same
    ├── DownloadError           the package on the phone's disk is not the announced one
    ├── InstallError            the update engine refuses, or the update was stopped
    ├── StateError              what the phone has stored cannot be read
    └── StorageError            the phone's disk failed

Each message is one sentence that a person can act on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from client_sim.engine.errors import AlteredError, EngineError, NotStreamableError
from client_sim.errors import SimulatorError


class DeviceError(SimulatorError):
    """The phone refuses; every error of this package is one."""


class TransportError(DeviceError):
    """An answer is not one of those that FORMATS section 9 allows."""


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
    """The `custom` object of a pointer is malformed or leads back (FORMATS section 4)."""


class ContentError(DeviceError):
    """An index or a pack is not what FORMATS section 15 allows, or there is none to use."""


class AgreementError(DeviceError):
    """The codename role does not list what the pointer offers."""


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
    """Raise StorageError for what the disk raises."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error


@contextmanager
def engine_refuses() -> Iterator[None]:
    """Raise DownloadError, InstallError or StorageError for what the engine and its disk raise.

    NotStreamableError passes.
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
