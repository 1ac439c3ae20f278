"""Time zones, from PyPI's tzdata or a folder of compiled files.

A name whose file has the same bytes as another's becomes a link: to the name that the folder's
`tzdata.zi` calls a zone, else to the first by name. The block that some files repeat for readers of
version 1 is replaced by an empty one.
"""

import base64
import re
import struct
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from server.core.content.zones import EMPTY_BLOCK
from signer.content.sources.build_result import BuildResult, LeftOut, name_source
from signer.errors import SourceError

NAME = "tzdata"
LICENCE = "LicenseRef-public-domain"
MAGIC = b"TZif"
#: Files that make a folder of zones a Python package.
PYTHONS = (".py", ".pyc")
HEADER = struct.Struct(">4sc15x6I")
#: The database's own lists of zones, countries, leap seconds and its source and version.
INDEXES = frozenset(
    {"+VERSION", "iso3166.tab", "leap-seconds.list", "leapseconds", "tzdata.zi"}
    | {"zone.tab", "zone1970.tab", "zonenow.tab"}
)
#: Not zones: the machine's own choice, and copies of all zones with and without leap seconds.
OTHERS = frozenset({"localtime", "posix", "posixrules", "right"})
VERSION = re.compile(r"# version (\S+)")


def load_zones(
    folder: Path | None = None, *, version: str = "", name: str = NAME, licence: str = LICENCE
) -> BuildResult:
    """Build the kind `zones` from `folder`, such as /usr/share/zoneinfo; without one from tzdata.

    Raises SourceError if it has no zones, no `tzdata.zi` with their version, or one with another
    version than `version`.
    """
    root: Traversable = files("tzdata") / "zoneinfo" if folder is None else folder
    left_out = LeftOut()
    found = dict(_find_zones(root, "", left_out))
    if not found:
        raise SourceError(f"{root} has no compiled time zones; give a folder like zoneinfo.")
    stated, zones = _read_source(root / "tzdata.zi")
    if version not in {"", stated}:
        raise SourceError(f"{root / 'tzdata.zi'} says version {stated}, and not {version}.")
    targets: dict[bytes, str] = {}
    for key in sorted(found, key=lambda key: (key not in zones, key)):
        targets.setdefault(found[key], key)
    entries: dict[str, object] = {
        key: {"tzif": base64.b64encode(data).decode()}
        if targets[data] == key
        else {"link": targets[data]}
        for key, data in sorted(found.items())
    }
    return BuildResult(entries, [name_source(name, stated, licence)], left_out=left_out)


def _find_zones(folder: Traversable, prefix: str, left_out: LeftOut) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of the compiled zones in a folder and those below it."""
    for each in folder.iterdir():
        name = prefix + each.name
        if name in OTHERS:
            left_out.add("no zone of the database, or a copy of all of them", name)
        elif each.is_dir():
            yield from _find_zones(each, name + "/", left_out)
        elif (data := each.read_bytes()).startswith(MAGIC):
            yield name, _without_first_block(data)
        elif not name.endswith(PYTHONS) and name not in INDEXES:
            left_out.add("a file that is no compiled zone", name)


def _without_first_block(data: bytes) -> bytes:
    """Return a file with an empty version 1 block; a file without a later block stays unchanged."""
    if len(data) < HEADER.size:
        return data
    *_, isut, isstd, leap, times, types, chars = HEADER.unpack_from(data)
    end = HEADER.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    is_later = data[end : end + 5] == data[:5]
    return data[: HEADER.size - 24] + EMPTY_BLOCK + data[end:] if is_later else data


def _read_source(file: Traversable) -> tuple[str, frozenset[str]]:
    """Return the version of a compact zic source, and the names that are zones, not links."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = [""]
    version = VERSION.match(lines[0])
    if version is None:
        raise SourceError(
            f"{file} is missing, or its first line names no version; give a folder of zones with"
            " the `tzdata.zi` that they were compiled from."
        )
    return version[1], frozenset(line.split()[1] for line in lines if line.startswith("Z "))
