"""What a token's refusals and failures mean, in sentences.

A token that refuses is a KeyStoreError; one that is not there or does not work is a
SurroundingsError.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pkcs11 import exceptions

from signer.errors import KeyStoreError, SignerError, SurroundingsError

_REFUSALS: dict[type[exceptions.PKCS11Error], str] = {
    exceptions.PinIncorrect: "refuses this PIN; it was tried once, and a few wrong ones lock it",
    exceptions.PinLenRange: "refuses a PIN of this length; it was tried once",
    exceptions.PinInvalid: "refuses this PIN; it was tried once",
    exceptions.PinLocked: "is locked by too many wrong PINs; its security officer can unlock it",
    exceptions.PinExpired: "wants a new PIN; set one with the token's own tool",
    exceptions.UserPinNotInitialized: "has no PIN yet; set one with the token's own tool",
    exceptions.MechanismInvalid: "cannot do this with ed25519 keys; use another token",
    exceptions.KeySizeRange: "cannot do this with ed25519 keys; use another token",
    exceptions.DomainParamsInvalid: "cannot do this with ed25519 keys; use another token",
    exceptions.TokenWriteProtected: "is write-protected; lift that with the token's own tool",
}


@contextmanager
def speaking(label: str) -> Iterator[None]:
    """Turn what python-pkcs11 raises in here into a sentence about the token `label`."""
    try:
        yield
    except SignerError:
        raise
    except exceptions.UserAlreadyLoggedIn as error:
        raise SurroundingsError(
            f"This program uses the token {label} already; close that key folder first."
        ) from error
    except exceptions.PKCS11Error as error:
        if refusal := _REFUSALS.get(type(error)):
            raise KeyStoreError(f"The token {label} {refusal}.") from error
        raise SurroundingsError(
            f"The token {label} failed ({type(error).__name__}); plug it in again and run the"
            " command again."
        ) from error
