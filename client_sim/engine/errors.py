"""Errors of the update engine.

    EngineError
    ├── PackageError        the package is invalid; nothing may be installed from it
    │   ├── UnsupportedError    it needs a feature that this engine does not have
    │   │   └── NotStreamableError  it can only be installed from a file
    │   ├── AlteredError        the received bytes are not the announced package
    │   └── SignatureError      it is not signed by the key in the phone's image
    ├── ApplyError          it does not fit the phone's images, or its result has the wrong hash
    └── SlotError           the slots are damaged, or in the wrong state for this step

Each message is one sentence that a person can act on. Errors of the file system (`OSError`) are not
wrapped: they mean that the phone's storage failed, not the package or the engine.
"""

from client_sim.errors import SimulatorError


class EngineError(SimulatorError):
    """The base class of all errors of this package."""


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
