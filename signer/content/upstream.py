"""The parameters of a builder, the default titles of packs, and the import of the builders.

The builders need the extra `content`, which most signers do not install (ADR 58), so they are
imported only when needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from signer.errors import ContentError

if TYPE_CHECKING:
    from signer.content.pack_folder import PackFolder
    from signer.content.sources.build_result import BuildResult


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
    """Return the given options that do not apply to `kind`, or apply only with --source."""
    accepted = _TAKEN[kind] - (_NAMED if upstream.path is None else frozenset())
    return [OPTIONS[each] for each in OPTIONS if getattr(upstream, each) and each not in accepted]


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


@dataclass(frozen=True, slots=True)
class Extra:
    """Functions of the extra: one builds the entries of a kind, one decodes a pack's pictures.

    `check_decodes` raises ContentError for a picture that cannot be decoded.
    """

    build_entries: Callable[[str, Upstream], BuildResult]
    check_decodes: Callable[[PackFolder], None]


def load_extra() -> Extra:
    """Import the builders and the image decoder; raises ContentError if they are not installed."""
    try:
        from signer.content.build import build_entries  # noqa: PLC0415 - the extra may be absent
        from signer.content.validate import check_decodes  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ContentError(
            f"Packs are built with packages that are not installed here ({error.name} is missing):"
            " install hening with its extra `content`."
        ) from error
    return Extra(build_entries, check_decodes)
