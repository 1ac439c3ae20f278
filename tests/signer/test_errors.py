import pytest

from server.core.errors import FormatError
from signer.errors import CeremonyError, KeyStoreError, refusing


def test_core_refusal_is_converted() -> None:
    """A message starts with a capital letter unless it starts with a path; the cause is kept."""
    for message, kept in (
        ("a file is wrong.", "A file is wrong."),
        ("armani/id/stable/a.zip is gone.", "armani/id/stable/a.zip is gone."),
    ):
        with pytest.raises(CeremonyError) as caught, refusing(CeremonyError):
            raise FormatError(message)
        assert str(caught.value) == kept
        assert isinstance(caught.value.__cause__, FormatError)


def test_other_errors_are_not_converted() -> None:
    """Only the core's refusals are converted."""
    for error in (KeyStoreError("ours"), OSError("the disk"), KeyError("a bug")):
        with pytest.raises(type(error)) as caught, refusing(CeremonyError):
            raise error
        assert caught.value is error
