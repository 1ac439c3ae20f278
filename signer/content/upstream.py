"""The parameters of a builder, and the default titles of packs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Upstream:
    """The parameters of a builder: file or folder, its name and licence, and years.

    `version` is that of the source, `licence` an SPDX expression; both are empty if not given.
    """

    path: Path | None = None
    version: str = ""
    name: str = ""
    licence: str = ""
    years: Sequence[int] = ()


OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "path": "--source",
        "version": "--source-version",
        "name": "--source-name",
        "licence": "--source-licence",
        "years": "--year",
    }
)
_NAMED = frozenset({"path", "version", "name", "licence"})
_TAKEN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "apn": _NAMED,
        "ca": _NAMED,
        "emergency": frozenset(),
        "features": frozenset({"path"}),
        "greetings": frozenset({"path", "years"}),
        "holidays": frozenset({"years"}),
        "notices": frozenset({"path"}),
        "themes": frozenset({"path"}),
        "wallpapers": frozenset({"path"}),
        "zones": _NAMED,
    }
)


def list_refused(kind: str, upstream: Upstream) -> list[str]:
    """Return the options of `upstream` that do not apply to `kind`, or only with --source."""
    taken = _TAKEN[kind] - (_NAMED if upstream.path is None else frozenset())
    return [OPTIONS[each] for each in OPTIONS if getattr(upstream, each) and each not in taken]


TITLES: Mapping[str, str] = MappingProxyType(
    {
        "apn": "Access points",
        "ca": "Certificates",
        "emergency": "Emergency numbers",
        "features": "What is new",
        "greetings": "Greetings",
        "holidays": "Public holidays",
        "notices": "Notices",
        "themes": "Themes",
        "wallpapers": "Wallpapers",
        "zones": "Time zones",
    }
)
