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


def test_a_path_at_the_start_is_kept() -> None:
    """A path or role name is not prose, so its letters stay."""
    with (
        pytest.raises(CeremonyError, match=r"^armani/id/stable/a\.zip is gone\.$"),
        refusing(CeremonyError),
    ):
        raise FormatError("armani/id/stable/a.zip is gone.")


@pytest.mark.parametrize("error", [KeyStoreError("ours"), OSError("the disk"), KeyError("a bug")])
def test_other_errors_pass(error) -> None:
    """Only the core's refusals are turned into ours."""
    with pytest.raises(type(error)) as caught, refusing(CeremonyError):
        raise error
    assert caught.value is error
