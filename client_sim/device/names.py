"""The names of FORMATS section 1, as the phone reads them."""

import re
from typing import Final

CODENAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
FILE: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,90}\.zip")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")
LOCALE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
LOCALE_LIMIT: Final = 16
PRINTABLE: Final = re.compile(r"[!-~]+")
MAX_INTEGER: Final = 2**53 - 1

RESERVED: Final = frozenset(
    {"root", "targets", "snapshot", "timestamp", "mirrors", "latest", "tables", "content"}
)


def is_codename(text: str) -> bool:
    """Tell whether `text` names a model: a codename that is not reserved."""
    return (
        CODENAME.fullmatch(text) is not None
        and text not in RESERVED
        and not text.startswith("latest-")
    )


def pointer_name(codename: str, region: str, channel: str) -> str:
    """Return the target that is the pointer of a model, region and channel."""
    return f"latest/{codename}/{region}/{channel}"


def is_package_path(text: str) -> bool:
    """Tell whether `text` is `CODENAME/REGION/CHANNEL/FILE`."""
    parts = text.split("/")
    return (
        len(parts) == 4
        and is_codename(parts[0])
        and REGION.fullmatch(parts[1]) is not None
        and REGION.fullmatch(parts[2]) is not None
        and FILE.fullmatch(parts[3]) is not None
    )
