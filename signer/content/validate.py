"""Checks whether packs may be signed: the rules of FORMATS 15, including their pictures.

Only the build decodes the pictures: `check_decodes`.
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from server.core.content.kinds import entry_error
from server.core.content.picture import check_picture
from server.core.content.role import check_entries, check_themes
from server.core.errors import FormatError
from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder
from signer.errors import refusing

# Patterns over kinds of characters: `a` an ASCII letter, `0` an ASCII digit, `x` a letter, a digit
# or a mark of another script, `s` a symbol such as an emoji, ` ` an invisible character; ASCII
# punctuation stands for itself.
_DOMAIN = "looks like a domain; write a space behind the dot"
_ADDRESS = "looks like a host's address; write `v` in front of a version"
_RULES = (
    (re.compile(r"[a0xs]\.a{2,}(?![a0])"), _DOMAIN),
    (re.compile(r"(?<![a0.+-])a[a0.+-]*:-?[a0/+*#?%&@=~_]"), "looks like a link's scheme"),
    (re.compile(r"(?<![a0])0{1,3}(?:\.0{1,3}){3}(?![a0])"), _ADDRESS),
    (re.compile(r"[a0]::|::[a0]|(?:[a0]{1,4}:){7}[a0]"), _ADDRESS),
)
_LABEL = re.compile(r"(?<=[a0xs]\.)[a0x]+")
_ENTITY = re.compile(r"&[#a0][a0]+;")
_WIDE_COLON, _NO_DOTS = "\uff1a", "\u2800"
# Top-level domains that are not ASCII, without their prefix `xn--`.
_LABELS = (
    "0zwm56d 11b4c3d 11b5bs3a9aj6g 1ck2e1b 1qqw23a 2scrj9c 30rr7y 3bst00m 3ds443g 3e0b707e "
    "3hcrj9c 3pxu8k 42c2d9a 45br5cyl 45brj9c 45q11c 4dbrk0ce 4gbrim 54b7fta0cc 55qw42g 55qx5d "
    "5su34j936bgsg 5tzm5g 6frz82g 6qq986b3xl 80adxhks 80akhbyknj4f 80ao21a 80aqecdr1a "
    "80asehdb 80aswg 8y0a063a 90a3ac 90ae 90ais 9dbq2a 9et52u 9krt00a 9t4b11yi5a b4w605ferd "
    "bck1b9a5dre4c c1avg c2br7g cck2b3b cckwcxetd cg4bki clchc0ea0b2g2a9gcd czr694b czrs0t "
    "czru2d d1acj3b d1alf deba0ad e1a4c eckvdtc9d efvy88h fct429k fhbei fiq228c5hs fiq64b "
    "fiqs8s fiqz9s fjq720a flw351e fpcrj9c3d fzc2c9e2c fzys8d69uvgm g2xx48c g6w251d gckr3f0f "
    "gecrj9c gk3at1e h2breg3eve h2brj9c h2brj9c8c hgbk6aj7f53bba hlcj6aya9esc7a hxt814e "
    "i1b6b1a6a2e imr513n io0a7i j1aef j1amh j6w193g jlq480n2rg jvr189m jxalpdlp kcrx77d1x4a "
    "kgbechtv kprw13d kpry57d kput3i l1acc lgbbat1ad8j mgb9awbf mgba3a3ejt mgba3a4f16a "
    "mgba7c0bbn0a mgbaam7a8h mgbab2bd mgbah1a3hjkrd mgbai9azgqp6j mgbayh7gpa mgbbh1a "
    "mgbbh1a71e mgbc0a9azcg mgbca7dzdo mgbcpq6gpa1a mgberp4a5d4ar mgbgu82a mgbi4ecexp "
    "mgbpl2fh mgbt3dhd mgbtx2b mgbx4cd0ab mix891f mk1bu44c mxtq1m ngbc5azd ngbe9e0a ngbrx "
    "node nqv7f nqv7fs00ema nyqy26a o3cw4h ogbpf8fl otu796d p1acf p1ai pgbs0dh pssy2u q7ce6a "
    "q9jyb4c qcka1pmc qxa6a qxam rhqv96g rovu88b rvc1e0am3e s9brj9c ses554g t60b56a tckwe "
    "tiq49xqyj unup4y vermgensberater-ctb vermgensberatung-pwb vhquv vuq861b w4r85el8fhu5dnra "
    "w4rs40l wgbh1c wgbl6a xhq521b xkc2al3hye2a xkc2dl3a5ee0h y9a3aq yfro4i67o ygbi2ammx "
    "zckzah zfr164b"
)
_TOP_LEVEL = frozenset(each.encode().decode("punycode") for each in _LABELS.split())


def check_prose(text: str) -> None:
    """Raise ContentError, with the place, for a text that looks like a link or fails `check_name`.

    A full-width colon belongs to no URL scheme: in Chinese no space follows it.
    """
    check_name(text)
    for form in (text, unicodedata.normalize("NFKC", text.replace(_WIDE_COLON, " "))):
        shape = _shape(form)
        for pattern, reason in _RULES:
            if (found := pattern.search(shape)) is not None:
                raise ContentError(f"a text holds {form[slice(*found.span())]!r}, which {reason}")
        for found in _LABEL.finditer(shape):
            if (label := form[slice(*found.span())]).casefold() in _TOP_LEVEL:
                raise ContentError(f"a text holds '.{label}', which {_DOMAIN}")


def check_name(text: str) -> None:
    """Raise ContentError for a text with an HTML entity, or without a visible character."""
    if all(_is_unseen(each) for each in text):
        raise ContentError("a text has nothing that can be seen")
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (found := _ENTITY.search(_shape(form))) is not None:
            entity = form[slice(*found.span())]
            raise ContentError(f"a text holds {entity!r}, which is markup; write the character")


def list_names(kind: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield names in an entry that may have dots: of carriers and certificates."""
    if kind == "apn":
        yield from (point["carrier"] for point in entry["apns"])
    elif kind == "ca":
        yield entry["name"]


def list_texts(kind: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of an entry that people read: texts, and names by locale."""
    if kind == "ca":
        return
    for member in ("author", "body", "name", "text", "title"):
        value = entry.get(member)
        yield from value.values() if isinstance(value, dict) else [value] if value else []
    if kind == "holidays":
        for _, names in entry["days"]:
            yield from names.values()


def _is_unseen(character: str) -> bool:
    if character in {" ", _NO_DOTS} or not character.isprintable():
        return True
    return unicodedata.category(character)[0] == "M"


def _shape(text: str) -> str:
    return "".join(map(_kind_of, text))


def _kind_of(character: str) -> str:
    if character.isascii():
        return "a" if character.isalpha() else "0" if character.isdigit() else character
    category = unicodedata.category(character)
    return "x" if category[0] in "LMN" else "s" if category == "So" else " "


def check_packs_to_sign(
    packs: Sequence[PackFolder], hosts: Collection[str], wallpapers: Collection[str] | None = None
) -> None:
    """Raise ContentError, naming kind, key and rule, unless all of `packs` may be signed.

    `wallpapers` are the names of those that are published; None if unknown: themes are then checked
    only against the wallpapers of `packs`, if any.
    """
    kinds = [pack.kind for pack in packs]
    if len(set(kinds)) != len(kinds):
        raise ContentError("A kind is given twice; give one pack of each.")
    with refusing(ContentError):
        for pack in packs:
            check_entries(pack.kind, pack.entries, hosts)
            _check_texts(pack)
            if pack.kind == "wallpapers":
                _check_pictures(pack)
        entries: dict[str, Mapping[str, Any]] = {pack.kind: pack.entries for pack in packs}
        if "wallpapers" not in entries and wallpapers is not None:
            entries["wallpapers"] = dict.fromkeys(wallpapers)
        if "wallpapers" in entries:
            check_themes(entries)


def _check_texts(pack: PackFolder) -> None:
    """Raise ContentError for invalid texts, and for news that end before they begin."""
    for text in pack.pack.title.values():
        check_prose(text)
    for key, entry in pack.entries.items():
        try:
            for name in list_names(pack.kind, entry):
                check_name(name)
            for text in list_texts(pack.kind, entry):
                check_prose(text)
        except ContentError as error:
            raise entry_error(pack.kind, key, str(error)) from error
        if "published" in entry and "end" in entry and entry["end"] <= entry["published"]:
            reason = "it ends before it is shown for a day, so nobody would see it"
            raise entry_error(pack.kind, key, reason)


def _check_pictures(pack: PackFolder) -> None:
    for key, entry in pack.entries.items():
        picture = pack.pictures.get(key, b"")
        try:
            check_picture(picture, entry["width"], entry["height"])
        except FormatError as error:
            raise entry_error(pack.kind, key, str(error)) from error
        is_same = hashlib.sha256(picture).hexdigest() == entry["sha256"]
        if not is_same or len(picture) != entry["length"]:
            raise entry_error(pack.kind, key, "its picture is not of its sha256 and length")
    for name in pack.pictures.keys() - pack.entries.keys():
        raise FormatError(f"the picture {name}.jpg has no entry.")


_SHARE = 5
_SHOWN = 10


def check_has_enough(made: PackFolder, before: PackFolder | None) -> None:
    """Raise ContentError for a pack without entries, or without more than a fifth of `before`.

    `before` is None if there is no earlier pack, or if the loss is accepted.
    """
    if not made.entries:
        raise ContentError(
            f"The pack {made.kind} would have no entry; is the source whole? A pack that nobody"
            " should use any more is withdrawn."
        )
    if before is None:
        return
    lost = sorted(before.entries.keys() - made.entries.keys())
    if len(lost) * _SHARE > len(before.entries):
        keys = ", ".join(lost[:_SHOWN]) + (", \u2026" if len(lost) > _SHOWN else "")
        raise ContentError(
            f"The pack {made.kind} would lose {len(lost)} of the {len(before.entries)} entries of"
            f" version {before.pack.version} ({keys}); if that is as it should be, give"
            " --accept-loss."
        )


def check_decodes(pack: PackFolder) -> None:
    """Raise ContentError, with kind and key, for a picture that cannot be decoded to its end."""
    for key, picture in pack.pictures.items():
        with refusing(ContentError):
            try:
                with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
                    image.load()
            except (OSError, SyntaxError, ValueError) as error:
                reason = f"its picture cannot be shown: {error}"
                raise entry_error(pack.kind, key, reason) from error
