import pytest

from signer.ota.entry_names import check_name
from signer.ota.errors import ContainerError


@pytest.mark.parametrize("name", ["payload.bin", "META-INF/com/android/metadata", "a/", "a..b/c"])
def test_ordinary_names(name: str) -> None:
    """Relative names in printable ASCII are taken as they are."""
    assert check_name(name.encode()) == name


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"/", b"//", b"/a", b"..", b"../a", b"a/..", b"a/../b", b"./a", b"a//b", b"a/./b"),
        *(b"c:a", b"a\\b", b"a\0b", b"a\nb", b"a\x7f", b"\xc3\xa4", b"a" * 256),
    ],
)
def test_names_that_lead_elsewhere(raw: bytes) -> None:
    """Whatever a careless program could follow, print or cut short is refused."""
    with pytest.raises(ContainerError):
        check_name(raw)
