"""The parameters of a builder, the default titles of packs, and the error without the extra.

The builders need the extra `content`, which most signers do not install (ADR 58), so they are
imported only when needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from signer.errors import ContentError


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


@contextmanager
def importing_extra() -> Iterator[None]:
    """Raise ContentError if an import in the block fails because the extra is not installed."""
    try:
        yield
    except ImportError as error:
        raise ContentError(
            f"Packs are built with packages that are not installed here ({error.name} is missing):"
            " install hening with its extra `content`."
        ) from error
