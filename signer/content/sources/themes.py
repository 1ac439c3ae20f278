"""Themes and wallpapers: from YAML files and folders of images."""

import hashlib
import io
import re
import warnings
from pathlib import Path

import blurhash
from PIL import Image, ImageCms, ImageOps

from server.core.content import kinds
from server.core.content.picture import MAX_SIDE, MIN_SIDE
from signer.content.sources.build_result import BuildResult, name_source
from signer.content.sources.translations import Marked, check_words, read_yaml
from signer.errors import SourceError

FORMATS = ("JPEG", "PNG", "WEBP")
MODES = frozenset({"1", "CMYK", "L", "P", "RGB", "YCbCr"})
MAX_BYTES = 64 * 1024 * 1024
QUALITY = 85
#: Components of a placeholder across and down, and the sides of the image it is computed from.
WAVES = (3, 4)
SMALL = (36, 64)


def read_picture(path: Path) -> Image.Image:
    """Return the pixels of an image in sRGB, in the orientation for viewing.

    Raises SourceError before any pixel is decoded for a format, side or mode that no wallpaper has,
    and for an image that cannot be decoded.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"{path} has more than {MAX_BYTES} bytes; scale it.")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(path, formats=FORMATS) as image:
                _check_head(image, path)
                return _to_srgb(ImageOps.exif_transpose(image), path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(f"{path} is far too large to be decoded; scale it.") from error
    except (OSError, SyntaxError, ValueError, Warning) as error:
        kinds = ", ".join(FORMATS)
        raise SourceError(f"{path} is not a complete image ({kinds}): {error}.") from error


def encode_picture(image: Image.Image) -> bytes:
    """Return the JPEG of an image in RGB, the same bytes for the same pixels and Pillow."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return out.getvalue()


def placeholder_of(image: Image.Image) -> str:
    """Return the BlurHash of an image in RGB."""
    small = image.resize(SMALL, Image.Resampling.BOX)
    rows = [[small.getpixel((x, y)) for x in range(SMALL[0])] for y in range(SMALL[1])]
    return str(blurhash.encode(rows, *WAVES))


def _check_head(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise SourceError(
            f"{path} is {width}x{height}; a wallpaper has {MIN_SIDE} to {MAX_SIDE} on each side."
        )
    if getattr(image, "n_frames", 1) != 1:
        raise SourceError(f"{path} is animated; a wallpaper is one picture.")
    if image.mode not in MODES or image.has_transparency_data:
        raise SourceError(f"{path} ({image.mode}) has transparency or over 8 bits; flatten it.")


def _to_srgb(image: Image.Image, path: Path) -> Image.Image:
    """Return new pixels in RGB, converted from the profile of the image if it has one."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in {"CMYK", "L", "RGB"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError) as error:
            raise SourceError(f"{path} has an invalid colour profile; remove that.") from error
        image = converted or image
    plain = Image.new("RGB", image.size)
    plain.paste(image.convert("RGB"))
    return plain


WALLPAPERS = "wallpapers.yaml"
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_wallpapers(folder: Path) -> BuildResult:
    """Build the kind `wallpapers`, with its pictures, from a folder with `wallpapers.yaml`.

    The index has `source`, `version`, `licence` and `wallpapers`: name to `file`, `title` by
    locale, `author`, `licence`. Raises SourceError for an invalid index or image.
    """
    head = {"licence", "source", "version", "wallpapers"}
    index = read_yaml(folder / WALLPAPERS).members(head, ())
    entries: dict[str, object] = {}
    pictures: dict[str, bytes] = {}
    for name, marked in sorted(index["wallpapers"].mapping().items()):
        check_name(name, marked)
        members = marked.members({"author", "file", "licence", "title"}, ())
        file = members["file"].text()
        if FILE.fullmatch(file) is None:
            raise members["file"].error(f"{file!r} is not a file of this folder")
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
    return BuildResult(entries, [source], pictures)


def check_name(name: str, marked: Marked) -> None:
    """Raise SourceError unless `name` is valid for a wallpaper or a theme."""
    try:
        kinds.check_name(name)
    except ValueError as error:
        raise marked.error(str(error)) from error


def titles_of(marked: Marked) -> dict[str, str]:
    """Return titles by locale, sorted by locale."""
    return {
        locale: check_words(title.text(), title.where, 80)
        for locale, title in sorted(marked.mapping().items())
    }


THEMES = "themes.yaml"
COLOURS = ("background", "primary", "text")


def load_themes(folder: Path) -> BuildResult:
    """Build the kind `themes` from a folder with `themes.yaml`.

    The file has `source`, `version`, `licence` and `themes`: name to `title` by locale, `author`,
    `licence`, the colours `light` and `dark`, and optionally `wallpaper`. Raises SourceError for
    any other form. The pack's own check decides whether text is readable on its background.
    """
    index = read_yaml(folder / THEMES).members({"licence", "source", "themes", "version"}, ())
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
    return BuildResult(entries, [source])


def _colours_of(marked: Marked) -> dict[str, str]:
    members = marked.members(COLOURS, ())
    return {each: members[each].text().lower() for each in COLOURS}
