"""Fits the pages to the site that MkDocs builds.

Fragments are those of GitHub, links that leave `docs/` are shown as paths of the repository, and a
screenshot opens in its full size.
"""

import re
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]


def slug(text: str, separator: str) -> str:
    """Return the fragment of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", separator)


class File(Protocol):
    """What MkDocs says of a page's file."""

    abs_src_path: str
    src_uri: str


class Page(Protocol):
    """What MkDocs says of a page."""

    file: File


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Show links to files outside `docs/` as their paths, and let screenshots open.

    Raises ValueError for a link to a file that is not there.
    """
    here = Path(page.file.abs_src_path).parent

    def name(link: re.Match[str]) -> str:
        target = (here / link[2].partition("#")[0]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        if not target.exists():
            raise ValueError(f"{page.file.src_uri} links to {link[2]}, which is not there.")
        path = str(target.relative_to(ROOT))
        return f"`{path}`" if link[1].strip("`") == path else f"{link[1]} (`{path}`)"

    named = re.sub(r"\[([^\]]+)\]\((\.\.?/[^)\s]*)\)", name, markdown)
    return re.sub(r"(!\[[^\]]*\]\(([^)\s]+\.png)\))", r"[\1](\2)", named)
