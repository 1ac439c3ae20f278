"""Themes: from a YAML file with colours, titles and the names of wallpapers."""

from pathlib import Path

from signer.content.sources.built import Built, name_source
from signer.content.sources.marked import Marked
from signer.content.sources.wallpapers import check_name, titles_of
from signer.content.sources.yaml_file import read_yaml

INDEX = "themes.yaml"
COLOURS = ("background", "primary", "text")


def load_themes(folder: Path) -> Built:
    """Build the kind `themes` from a folder with `themes.yaml`.

    It has `source`, `version`, `licence` and `themes`: name to `title` by locale, `author`,
    `licence`, the colours `light` and `dark`, and perhaps `wallpaper`. SourceError for another
    form; whether a text can be read on its background is for the check of the pack to say.
    """
    index = read_yaml(folder / INDEX).members({"licence", "source", "themes", "version"}, ())
    entries: dict[str, object] = {}
    for name, marked in sorted(index["themes"].mapping().items()):
        check_name(name, marked)
        needed = {"author", "dark", "licence", "light", "title"}
        members = marked.members(needed, {"wallpaper"})
        words = {"author", "licence", "wallpaper"} & members.keys()
        entry: dict[str, object] = {each: members[each].text() for each in sorted(words)}
        entry |= {each: _colours_of(members[each]) for each in ("dark", "light")}
        entries[name] = entry | {"title": titles_of(members["title"])}
    source = name_source(*(index[each].text() for each in ("source", "version", "licence")))
    return Built(entries, [source])


def _colours_of(marked: Marked) -> dict[str, str]:
    members = marked.members(COLOURS, ())
    return {each: members[each].text().lower() for each in COLOURS}
