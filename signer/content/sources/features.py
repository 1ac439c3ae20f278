"""Features: what the ROM has newly learned, in their languages."""

from pathlib import Path

from signer.content.sources.built import Built
from signer.content.sources.news import load_news


def load_features(folder: Path) -> Built:
    """Build the kind `features` from a folder, as `load_news` says."""
    return load_news(folder, "feature")
