"""Notices: what all owners should know, in their languages."""

from pathlib import Path

from signer.content.sources.built import Built
from signer.content.sources.news import load_news


def load_notices(folder: Path) -> Built:
    """Build the kind `notices` from a folder, as `load_news` says."""
    return load_news(folder, "notice")
