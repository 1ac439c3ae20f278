"""What the update engine raises.

    EngineError
    ├── PackageError        the package is not what it must be; nothing may be installed from it
    │   ├── UnsupportedError    it is well formed, but asks for something this engine does not do
    │   │   └── NotStreamableError  it cannot be installed while it is fetched, but as a file
    │   ├── AlteredError        what came is not what was announced
    │   └── SignatureError      it is not signed by the key in the phone's image
    ├── ApplyError          it does not fit what is on the phone, or its result is not as promised
    └── SlotError           the slots are not in a state in which this can be done

Each message is one sentence that a person can act on. Errors of the file system (`OSError`) are
not wrapped: they say that the phone's storage failed, not that the package or the engine did.
"""

from client_sim.errors import SimulatorError


class EngineError(SimulatorError):
    """The update engine refuses; every error of this package is one."""


class PackageError(EngineError):
    """The package is malformed, damaged, or not the one that was announced."""


class UnsupportedError(PackageError):
    """The package asks for an operation or a feature that this engine does not have."""


class NotStreamableError(UnsupportedError):
    """The package cannot be installed as a stream, but it can be after a full download."""


class AlteredError(PackageError):
    """The received bytes are not the announced package; another attempt may succeed."""


class SignatureError(PackageError):
    """The package is not signed by the certificate in the phone's image."""


class ApplyError(EngineError):
    """The package does not fit the images on the phone, or its result is not the promised one."""


class SlotError(EngineError):
    """The slots on the phone are damaged, or not in the state that this step needs."""
