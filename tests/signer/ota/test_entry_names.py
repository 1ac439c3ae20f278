import pytest

from signer.ota.entry_names import check_name, check_names
from signer.ota.errors import ContainerError


@pytest.mark.parametrize("name", ["payload.bin", "META-INF/com/android/metadata", "a/", "a..b/c"])
def test_ordinary_names(name: str) -> None:
    """Relative names of letters, digits and harmless signs are taken as they are."""
    assert check_name(name.encode()) == name


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"/", b"//", b"/a", b"..", b"../a", b"a/..", b"a/../b", b"./a", b"a//b", b"a/./b"),
        *(b"a.", b"a./b", b"a ", b"a /b", b"a:b", b"a*", b"a?", b'a"', b"a<b", b"a|b", b"a;1"),
        *(b"con", b"NUL.txt", b"a/aux", b"com1", b"lpt9.x", b"prn .x", b"CONIN$", b"clock$.txt"),
        *(b"c:a", b"a\\b", b"a\0b", b"a\nb", b"a\x7f", b"\xc3\xa4", b"a" * 256),
    ],
)
def test_names_that_lead_elsewhere(raw: bytes) -> None:
    """Whatever a careless program could follow, print or cut short is refused."""
    with pytest.raises(ContainerError):
        check_name(raw)


def test_names_that_differ() -> None:
    """Folders beside their files, and names that begin alike, are different names."""
    check_names(["META-INF/", "META-INF/metadata", "META-INF/metadata.pb", "b", "b.c", "a/b"])


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["a", "b", "a"], "has a twice"),
        (["payload.bin", "PAYLOAD.BIN"], "has PAYLOAD.BIN and payload.bin, which are one name"),
        (["payload.bin", "Payload.bin/"], "has Payload.bin/ and payload.bin, which are one name"),
        (["a/b", "A/B"], "has A/B and a/b, which are one name"),
        (["payload.bin", "payload.bin/x"], "payload.bin both as a file and as a folder"),
        (["a/b/c", "A"], "has A both as a file and as a folder"),
    ],
)
def test_names_that_are_one_to_some(names: list[str], fault: str) -> None:
    """What some file systems or readers take for one entry is refused."""
    with pytest.raises(ContainerError, match=fault):
        check_names(names)
