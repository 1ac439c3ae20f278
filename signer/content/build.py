"""Selects the builder of a kind, which makes the entries from a source, and decodes pictures.

It imports the packages of the extra `content`: import it in `signer.content.upstream`'s
`importing_extra`.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from server.core.content.kinds import entry_error
from signer.content.pack_folder import PackFolder
from signer.content.sources import zones
from signer.content.sources.apn import load_apn
from signer.content.sources.build_result import BuildResult
from signer.content.sources.ca import load_ca
from signer.content.sources.emergency import load_emergency
from signer.content.sources.greetings import OUR_TEXTS, load_greetings
from signer.content.sources.holidays import load_holidays
from signer.content.sources.news import load_news
from signer.content.sources.themes import load_themes, load_wallpapers
from signer.content.sources.zones import load_zones
from signer.content.upstream import OPTIONS, Upstream
from signer.errors import ContentError, refusing


def build_entries(kind: str, upstream: Upstream) -> BuildResult:
    """Return the entries of `kind` from its source; raises ContentError if an option is missing.

    Raises SourceError if the source is malformed.
    """
    _check_path(kind, upstream.path)
    return _BUILDERS[kind](upstream)


def check_decodes(pack: PackFolder) -> None:
    """Raise ContentError, with kind and key, for a picture that cannot be decoded to its end."""
    for key, picture in pack.pictures.items():
        with refusing(ContentError):
            try:
                with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
                    image.load()
            except (OSError, SyntaxError, ValueError) as error:
                reason = f"its picture cannot be shown: {error}"
                raise entry_error(pack.kind, key, reason) from error


def _check_path(kind: str, path: Path | None) -> None:
    """Raise ContentError for a file in place of a folder, or the reverse."""
    if path is None:
        return
    if kind in _FOLDERS and not path.is_dir():
        raise ContentError(
            f"{path} is a file, and the pack {kind} is built from a folder, with"
            f" {_FOLDERS[kind]} in it."
        )
    if kind not in _FOLDERS and path.is_dir():
        raise ContentError(f"{path} is a folder, and the pack {kind} is built from a file.")


def _build_apn(upstream: Upstream) -> BuildResult:
    path, version = _path("apn", upstream), _stated("apn", upstream, "version")
    return load_apn(path, version, name=upstream.name, licence=upstream.licence)


def _build_ca(upstream: Upstream) -> BuildResult:
    if upstream.path is None:
        return load_ca()
    version, name, licence = (
        _stated("ca", upstream, each) for each in ("version", "name", "licence")
    )
    return load_ca(upstream.path, version, name=name, licence=licence)


def _build_zones(upstream: Upstream) -> BuildResult:
    return load_zones(
        upstream.path,
        version=upstream.version,
        name=upstream.name or zones.NAME,
        licence=upstream.licence or zones.LICENCE,
    )


def _build_greetings(upstream: Upstream) -> BuildResult:
    return load_greetings(_years("greetings", upstream), upstream.path or OUR_TEXTS)


def _build_holidays(upstream: Upstream) -> BuildResult:
    return load_holidays(_years("holidays", upstream))


def _path(kind: str, upstream: Upstream) -> Path:
    if upstream.path is None:
        raise ContentError(f"{kind} has no built-in source; give one with --source.")
    return upstream.path


def _stated(kind: str, upstream: Upstream, member: str) -> str:
    value: str = getattr(upstream, member)
    if not value:
        raise ContentError(
            f"The source of {kind} does not say its {member}; give it with {OPTIONS[member]}."
        )
    return value


def _years(kind: str, upstream: Upstream) -> Sequence[int]:
    if not upstream.years:
        raise ContentError(f"{kind} need years; give them with --year.")
    return upstream.years


_FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "features": "index.yaml and the texts",
        "greetings": "occasions.yaml and the texts",
        "notices": "index.yaml and the texts",
        "themes": "themes.yaml",
        "wallpapers": "wallpapers.yaml and the pictures",
        "zones": "compiled time zones",
    }
)
_BUILDERS: Mapping[str, Callable[[Upstream], BuildResult]] = MappingProxyType(
    {
        "apn": _build_apn,
        "ca": _build_ca,
        "emergency": lambda _upstream: load_emergency(),
        "features": lambda upstream: load_news(_path("features", upstream), "feature"),
        "greetings": _build_greetings,
        "holidays": _build_holidays,
        "notices": lambda upstream: load_news(_path("notices", upstream), "notice"),
        "themes": lambda upstream: load_themes(_path("themes", upstream)),
        "wallpapers": lambda upstream: load_wallpapers(_path("wallpapers", upstream)),
        "zones": _build_zones,
    }
)
