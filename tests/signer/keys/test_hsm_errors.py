import pytest
from pkcs11 import exceptions

from signer.errors import KeyStoreError, SignerError, SurroundingsError
from signer.keys.hsm_errors import speaking


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.PinIncorrect(), KeyStoreError, "refuses this PIN; it was tried once"),
        (exceptions.PinLocked(), KeyStoreError, "locked by too many wrong PINs"),
        (exceptions.PinExpired(), KeyStoreError, "wants a new PIN"),
        (exceptions.UserPinNotInitialized(), KeyStoreError, "has no PIN yet"),
        (exceptions.MechanismInvalid(), KeyStoreError, "cannot do this with ed25519 keys"),
        (exceptions.TokenWriteProtected(), KeyStoreError, "write-protected"),
        (exceptions.UserAlreadyLoggedIn(), SurroundingsError, "uses the token drawer already"),
        (exceptions.DeviceRemoved(), SurroundingsError, r"drawer failed \(DeviceRemoved\)"),
        (exceptions.GeneralError(), SurroundingsError, r"drawer failed \(GeneralError\)"),
    ],
)
def test_each_failure_is_a_sentence(error, kind, words) -> None:
    """Refusals and failures of the surroundings are told apart, and the token is named."""
    with pytest.raises(kind, match=words) as caught, speaking("drawer"):
        raise error
    assert "token drawer" in str(caught.value)


def test_every_error_of_the_library_becomes_ours() -> None:
    """No error of python-pkcs11 comes through, and each names the token."""
    kinds = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, exceptions.PKCS11Error)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        with pytest.raises(SignerError, match="token drawer"), speaking("drawer"):
            raise kind


def test_a_sentence_of_our_own_stays() -> None:
    """What is said already is not said again in other words."""
    with pytest.raises(KeyStoreError, match="As it is"), speaking("drawer"):
        raise KeyStoreError("As it is.")
