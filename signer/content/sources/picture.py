"""Turns an image from anywhere into the JPEG that a pack may have (FORMATS 15, Picture).

What leaves here was drawn anew from pixels: nothing that the file carried beside them is in it.
"""

import io
import warnings
from pathlib import Path

import blurhash
from PIL import Image, ImageCms, ImageOps

from signer.content.sources.errors import SourceError

FORMATS = ("JPEG", "PNG", "WEBP")
MODES = frozenset({"1", "CMYK", "L", "P", "RGB", "YCbCr"})
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_OCTETS = 64 * 1024 * 1024
QUALITY = 85
#: Waves across and down of a placeholder, and the sides of what it is computed from.
WAVES = (3, 4)
SMALL = (36, 64)


def read_picture(path: Path) -> Image.Image:
    """Return the pixels of an image in sRGB, as it is to be looked at.

    SourceError, before any pixel is decoded, for a format, side or mode that no wallpaper has;
    and for what cannot be decoded.
    """
    try:
        if path.stat().st_size > MAX_OCTETS:
            raise SourceError(f"{path} has more than {MAX_OCTETS} octets; scale it.")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(path, formats=FORMATS) as image:
                _check_head(image, path)
                return _to_srgb(ImageOps.exif_transpose(image), path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(f"{path} is far too large to be decoded; scale it.") from error
    except (OSError, SyntaxError, ValueError, Warning) as error:
        kinds = ", ".join(FORMATS)
        raise SourceError(f"{path} is no whole image ({kinds}): {error}.") from error


def encode_picture(image: Image.Image) -> bytes:
    """Return the JPEG of an image in RGB, the same octets for the same pixels and Pillow."""
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
        raise SourceError(f"{path} moves; a wallpaper is one picture.")
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
            raise SourceError(f"{path} has a colour profile that is not sound; drop it.") from error
        image = converted or image
    plain = Image.new("RGB", image.size)
    plain.paste(image.convert("RGB"))
    return plain
