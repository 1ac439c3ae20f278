"""From a source to the entries of a kind: which builder reads what."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from signer.content.errors import ContentError
from signer.content.sources.apn import load_apn
from signer.content.sources.built import Built
from signer.content.sources.ca import load_ca
from signer.content.sources.emergency import load_emergency
from signer.content.sources.holidays import load_holidays
from signer.content.sources.zones import load_zones
from signer.content.upstream import Upstream


def build_entries(kind: str, upstream: Upstream) -> Built:
    """Return the entries of `kind` from its source; ContentError where that cannot be built.

    Raises SourceError where the source is malformed.
    """
    builder = _BUILDERS.get(kind)
    if builder is None:
        raise ContentError(f"{kind} has no builder; write a pack folder and use --edited.")
    return builder(upstream)


def _build_apn(upstream: Upstream) -> Built:
    return load_apn(_path("apn", upstream), _version("apn", upstream))


def _build_ca(upstream: Upstream) -> Built:
    version = "" if upstream.path is None else _version("ca", upstream)
    return load_ca(upstream.path, version)


def _build_holidays(upstream: Upstream) -> Built:
    return load_holidays(_years("holidays", upstream))


def _path(kind: str, upstream: Upstream) -> Path:
    if upstream.path is None:
        raise ContentError(f"{kind} has no source that is always there; give one with --source.")
    return upstream.path


def _version(kind: str, upstream: Upstream) -> str:
    if not upstream.version:
        raise ContentError(
            f"The source of {kind} does not say of which version it is; give --source-version."
        )
    return upstream.version


def _years(kind: str, upstream: Upstream) -> Sequence[int]:
    if not upstream.years:
        raise ContentError(f"{kind} are of some years; give them with --year.")
    return upstream.years


_BUILDERS: Mapping[str, Callable[[Upstream], Built]] = MappingProxyType(
    {
        "apn": _build_apn,
        "ca": _build_ca,
        "emergency": lambda _upstream: load_emergency(),
        "holidays": _build_holidays,
        "zones": lambda upstream: load_zones(upstream.path),
    }
)
