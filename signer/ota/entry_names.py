"""Says which names an entry of an OTA package may have."""

import re
from collections.abc import Iterable

from signer.ota.errors import ContainerError
from signer.ota.sentences import show_name

MAX_NAME = 255
# Letters, digits and what no system and no unpacker gives a meaning; Info-ZIP's unzip cuts a
# version number off at a semicolon.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'()+,./=@^_{}~\[\] -]+")
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$)( *\..*)?", re.IGNORECASE
)


def check_name(raw: bytes) -> str:
    """Return the entry's name; ContainerError when it could lead out of the package.

    Names are 1 to 255 bytes of ASCII letters, digits and some signs, relative, with `/` between
    non-empty parts that neither end in a dot or space nor are names of devices. A final `/`, which
    marks a folder, is kept.
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
    if _NAME.fullmatch(name) is None:
        raise ContainerError(
            f"The zip entry {shown} has signs in its name that not all systems allow."
        )
    if any(part[-1] in ". " or _DEVICE.fullmatch(part) for part in parts):
        raise ContainerError(
            f"The zip entry {shown} has a name that is another one to some systems."
        )
    return name


def check_names(names: Iterable[str]) -> None:
    """Raise ContainerError when two entries have one name, or a file is also a folder.

    Names that differ only in case are one name to some file systems.
    """
    files, folders = dict[str, str](), set[str]()
    for name in names:
        plain = name.removesuffix("/").lower()
        if plain in files:
            same, other = name == files[plain], show_name(files[plain])
            how = "twice" if same else f"and {other}, which are one name to some"
            raise ContainerError(f"The zip has {show_name(name)} {how}.")
        files[plain] = name
        parts = plain.split("/")
        folders |= {"/".join(parts[:end]) for end in range(1, len(parts))}
    for plain, name in files.items():
        if plain in folders and not name.endswith("/"):
            raise ContainerError(f"The zip has {show_name(name)} both as a file and as a folder.")
