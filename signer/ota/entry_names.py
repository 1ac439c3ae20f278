"""Says which names an entry of an OTA package may have."""

from collections.abc import Iterable

from signer.ota.errors import ContainerError

MAX_NAME = 255


def check_name(raw: bytes) -> str:
    """Return the entry's name; ContainerError when it could lead out of the package.

    Names are 1 to 255 bytes of printable ASCII, relative, with `/` between non-empty parts that
    are neither `.` nor `..`. A final `/`, which marks a folder, is kept.
    """
    shown = ascii(raw[:60].decode("latin-1"))
    if not raw or len(raw) > MAX_NAME:
        raise ContainerError(f"A zip entry's name has {len(raw)} bytes; 1 to {MAX_NAME} are taken.")
    if any(byte < 0x20 or byte > 0x7E for byte in raw):
        raise ContainerError(f"The zip entry {shown} has characters that no package uses.")
    name = raw.decode("ascii")
    if "\\" in name:
        raise ContainerError(f"The zip entry {shown} has a backslash in its name.")
    if name.startswith("/") or name[1:2] == ":":
        raise ContainerError(f"The zip entry {shown} has an absolute path as its name.")
    parts = name.removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ContainerError(f"The zip entry {shown} has a path that leads elsewhere as its name.")
    return name


def check_names(names: Iterable[str]) -> None:
    """Raise ContainerError when two entries have one name, or a file is also a folder.

    Names that differ only in case are one name to some file systems.
    """
    files, folders = dict[str, str](), set[str]()
    for name in names:
        plain = name.removesuffix("/").lower()
        if plain in files:
            same = name == files[plain]
            how = "twice" if same else f"and {files[plain]}, which are one name to some"
            raise ContainerError(f"The zip has {name} {how}.")
        files[plain] = name
        parts = plain.split("/")
        folders |= {"/".join(parts[:end]) for end in range(1, len(parts))}
    for plain, name in files.items():
        if plain in folders and not name.endswith("/"):
            raise ContainerError(f"The zip has {name} both as a file and as a folder.")
