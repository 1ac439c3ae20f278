import pytest

from server.core.errors import FormatError
from signer.errors import CeremonyError, KeyStoreError, refusing


def test_a_refusal_of_the_core_becomes_ours() -> None:
    """The sentence is kept and starts with a capital letter; the cause is kept too."""
    with (
        pytest.raises(CeremonyError, match=r"^A file is wrong\.$") as caught,
        refusing(CeremonyError),
    ):
        raise FormatError("a file is wrong.")
    assert isinstance(caught.value.__cause__, FormatError)


@pytest.mark.parametrize("error", [KeyStoreError("ours"), OSError("the disk"), KeyError("a bug")])
def test_other_errors_pass(error) -> None:
    """Only the core's refusals are turned into ours."""
    with pytest.raises(type(error)) as caught, refusing(CeremonyError):
        raise error
    assert caught.value is error
