"""Themes and wallpapers: pictures are encoded again from their pixels."""

import io
import struct
import zlib

import blurhash
import pytest
from PIL import Image, ImageCms

from fixtures.wallpapers import write_wallpapers
from server.core.content.picture import check_picture
from signer.content.sources.themes import encode_picture, load_themes, load_wallpapers, read_picture
from signer.errors import SourceError
from tests.cases import case
from tests.content_rules import check_pack

RED = (200, 30, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder with the wallpapers of the fixtures."""
    path = tmp_path_factory.mktemp("wallpapers")
    write_wallpapers(path)
    return path


@pytest.fixture(scope="module")
def built(folder):
    """Build the pack of wallpapers."""
    return load_wallpapers(folder)


def save(path, size=(64, 96), mode="RGB", **options):
    """Write an image of one colour."""
    colour = RED if mode == "RGB" else 1
    Image.new(mode, size, colour).save(path, **options)
    return path


def test_wallpapers(built, folder) -> None:
    """Pictures and entries follow the rules; the same pixels give the same bytes."""
    check_pack("wallpapers", built.entries)
    assert sorted(built.pictures) == sorted(built.entries) == ["dawn", "sea", "tiles"]
    for name, picture in built.pictures.items():
        entry = built.entries[name]
        assert (entry["width"], entry["height"]) == (720, 1440)
        assert entry["length"] == len(picture)
        check_picture(picture, 720, 1440)
    assert built.entries["sea"]["title"] == {"en": "Sea", "id": "Laut"}
    assert built.sources[0]["licence"] == "CC0-1.0"
    again = load_wallpapers(folder)
    assert again.pictures == built.pictures
    assert again.entries == built.entries
    pixels = blurhash.decode(built.entries["dawn"]["placeholder"], 4, 8)
    top, middle = pixels[0][2], pixels[4][2]
    assert sum(top) < sum(middle)
    assert top[2] > top[1]


def test_picture_metadata_are_removed(tmp_path):
    """Camera, comment and profile are removed."""
    exif = Image.Exif()
    exif[0x010F] = "Camera of somebody"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "a.jpg", exif=exif, comment=b"secret", icc_profile=profile)
    assert b"Camera of somebody" in path.read_bytes()
    picture = encode_picture(read_picture(path))
    check_picture(picture, 64, 96)
    assert b"Camera" not in picture
    assert b"secret" not in picture
    assert set(Image.open(io.BytesIO(picture)).info) <= {
        "dpi", "jfif", "jfif_density", "jfif_unit", "jfif_version", "progression", "progressive",
    }  # fmt: skip


def test_picture_orientation(tmp_path) -> None:
    """The picture is turned by its orientation tag and converted to RGB."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(save(tmp_path / "a.jpg", exif=exif)).size == (96, 64)
    for mode in ("L", "P", "1"):
        assert read_picture(save(tmp_path / "a.png", mode=mode)).mode == "RGB"


def test_colour_profile(tmp_path):
    """Colours are converted to sRGB: with red and green swapped, a red picture becomes green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"XXXX").replace(b"gXYZ", b"rXYZ").replace(b"XXXX", b"gXYZ")
    plain = read_picture(save(tmp_path / "a.png", icc_profile=profile)).getpixel((5, 5))
    other = read_picture(save(tmp_path / "b.png", icc_profile=swapped)).getpixel((5, 5))
    green = (RED[1], RED[0], RED[2])
    assert all(abs(a - b) <= 1 for a, b in zip(plain, RED, strict=True))
    assert all(abs(a - b) <= 1 for a, b in zip(other, green, strict=True))


def png_head(width: int, height: int) -> bytes:
    """Return a PNG with this size in its header and no pixels."""
    body = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"")
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + head + chunk


def test_unsupported_images(tmp_path) -> None:
    """Transparency, 16 bits, animation, other formats and decompression bombs are refused."""
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 255)]
    frames[0].save(tmp_path / "moves.webp", save_all=True, append_images=frames[1:])
    save(tmp_path / "alpha.png", mode="RGBA")
    save(tmp_path / "deep.png", mode="I;16")
    save(tmp_path / "a.gif")
    whole = save(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) - 40])
    (tmp_path / "text.png").write_text("no image")
    save(tmp_path / "profile.png", icc_profile=b"no profile")
    expected = {
        "moves.webp": "animated", "alpha.png": "transparency", "deep.png": "over 8 bits",
        "a.gif": "not a complete image", "half.jpg": "not a complete image",
        "text.png": "not a complete image",
        "profile.png": "invalid colour profile", "missing.png": "not a complete image",
    }  # fmt: skip
    for name, words in expected.items():
        with pytest.raises(SourceError, match=words):
            read_picture(tmp_path / name)
    for size, words in (
        ((4097, 64), "is 4097x64"),
        ((63, 64), "is 63x64"),
        ((10_000, 10_000), "far too large"),
        ((60_000, 60_000), "far too large"),
        ((100, 100), "not a complete image"),
    ):
        with case(size):
            (tmp_path / "a.png").write_bytes(png_head(*size))
            with pytest.raises(SourceError, match=words):
                read_picture(tmp_path / "a.png")


def test_invalid_index_of_wallpapers(folder, tmp_path):
    """The message names the line."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = (folder / "wallpapers.yaml").read_text()
    author = "    author: Hening project\n    licence: CC0-1.0\n  sea"
    for before, after, words in (
        ("file: sea.png", "file: ../sea.png", "line 11: '../sea.png' is not a file of this folder"),
        ("  sea:", "  Sea:", "line 11: 'Sea' is not a name"),
        (author, "    licence: x\n  sea", "line 6: author is missing"),
    ):
        (tmp_path / "wallpapers.yaml").write_text(index.replace(before, after, 1))
        with pytest.raises(SourceError, match=words):
            load_wallpapers(tmp_path)


INDEX = """\
source: Ours
version: "2"
licence: CC0-1.0
themes:
  plain:
    title: {id: Polos, en: Plain}
    author: A
    licence: CC0-1.0
    light: {background: "#FFFFFF", primary: "#0c4a6e", text: "#000000"}
    dark: {background: "#000000", primary: "#7cc4dc", text: "#ffffff"}
"""


def test_theme_of_fixtures(tmp_path):
    """Phones accept the theme, and it names a wallpaper."""
    write_wallpapers(tmp_path)
    built = load_themes(tmp_path)
    check_pack("themes", built.entries)
    assert built.entries["calm"]["wallpaper"] == "sea"


def test_themes_of_index(tmp_path) -> None:
    """A wallpaper is optional, colours are in lower case, and errors name the line."""
    (tmp_path / "themes.yaml").write_text(INDEX)
    built = load_themes(tmp_path)
    assert built.entries == {
        "plain": {
            "author": "A",
            "dark": {"background": "#000000", "primary": "#7cc4dc", "text": "#ffffff"},
            "licence": "CC0-1.0",
            "light": {"background": "#ffffff", "primary": "#0c4a6e", "text": "#000000"},
            "title": {"en": "Plain", "id": "Polos"},
        }
    }
    assert built.sources == [{"licence": "CC0-1.0", "name": "Ours", "version": "2"}]
    for before, after, words in (
        ("  plain", "  a_b", "line 6: 'a_b' is not a name"),
        (', text: "#000000"', "", "line 9: text is missing"),
        ("    author: A", "    by: A", "line 6: author is missing"),
    ):
        (tmp_path / "themes.yaml").write_text(INDEX.replace(before, after, 1))
        with pytest.raises(SourceError, match=words):
            load_themes(tmp_path)
