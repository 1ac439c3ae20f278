"""Wallpapers: from a folder of images and what people should know of each."""

import hashlib
import re
from pathlib import Path

from signer.content.sources.built import Built, name_source
from signer.content.sources.checked import check_words
from signer.content.sources.marked import Marked
from signer.content.sources.picture import encode_picture, placeholder_of, read_picture
from signer.content.sources.yaml_file import read_yaml

INDEX = "wallpapers.yaml"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_wallpapers(folder: Path) -> Built:
    """Build the kind `wallpapers`, with its pictures, from a folder with `wallpapers.yaml`.

    The index has `source`, `version`, `licence` and `wallpapers`: name to `file`, `title` by
    locale, `author`, `licence`. SourceError for an index or an image that is not as it should be.
    """
    head = {"licence", "source", "version", "wallpapers"}
    index = read_yaml(folder / INDEX).members(head, ())
    entries: dict[str, object] = {}
    pictures: dict[str, bytes] = {}
    for name, marked in sorted(index["wallpapers"].mapping().items()):
        check_name(name, marked)
        members = marked.members({"author", "file", "licence", "title"}, ())
        file = members["file"].text()
        if FILE.fullmatch(file) is None:
            raise members["file"].error(f"{file!r} is no file of this folder")
        image = read_picture(folder / file)
        pictures[name] = encode_picture(image)
        entries[name] = {
            "author": members["author"].text(),
            "height": image.height,
            "length": len(pictures[name]),
            "licence": members["licence"].text(),
            "placeholder": placeholder_of(image),
            "sha256": hashlib.sha256(pictures[name]).hexdigest(),
            "title": titles_of(members["title"]),
            "width": image.width,
        }
    source = name_source(*(index[each].text() for each in ("source", "version", "licence")))
    return Built(entries, [source], pictures)


def check_name(name: str, marked: Marked) -> None:
    """Raise SourceError unless `name` may be that of a wallpaper or a theme."""
    if NAME.fullmatch(name) is None:
        raise marked.error(f"{name!r} is no name: small letters, digits and hyphens")


def titles_of(marked: Marked) -> dict[str, str]:
    """Return titles by locale, in the order of the locales."""
    return {
        locale: check_words(title.text(), title.where, 80)
        for locale, title in sorted(marked.mapping().items())
    }
