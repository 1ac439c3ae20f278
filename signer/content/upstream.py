"""What a builder is told, and what a pack is called that nobody gave a title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a builder is given: file or folder, the version of what that is from, and years."""

    path: Path | None = None
    version: str = ""
    years: Sequence[int] = ()


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
