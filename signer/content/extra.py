"""Loads the extra `content` when it is needed, since most signers do not install it (ADR 58)."""

from collections.abc import Callable
from dataclasses import dataclass

from signer.content.pack_folder import PackFolder
from signer.content.sources.built import Built
from signer.content.upstream import Upstream
from signer.errors import ContentError


@dataclass(frozen=True, slots=True)
class Extra:
    """Builds the entries of a kind; raises ContentError for pictures that do not decode."""

    build_entries: Callable[[str, Upstream], Built]
    check_decodes: Callable[[PackFolder], None]


def load_extra() -> Extra:
    """Import the builders and the image decoder; ContentError when they are not installed."""
    try:
        from signer.content.build import build_entries  # noqa: PLC0415 - the extra may be absent
        from signer.content.validate import check_decodes  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ContentError(
            f"Packs are built with packages that are not installed here ({error.name} is missing):"
            " install hening with its extra `content`."
        ) from error
    return Extra(build_entries, check_decodes)
