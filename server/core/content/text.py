"""Texts that a phone shows to its owner: no markup, no hidden characters, few hosts."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

import msgspec

from server.core.content.invisible import stray_characters
from server.core.errors import FormatError
from server.core.names import Locale

_ENTITY = re.compile(r"&(?:#|[A-Za-z0-9])[A-Za-z0-9]+;")
_SCHEME = re.compile(r"(?<![A-Za-z0-9.+-])[A-Za-z][A-Za-z0-9.+-]*:-?[A-Za-z0-9/+*#?%&@=~_]")
_DOTTED = re.compile(r"\.[A-Za-z]{2,}(?![A-Za-z0-9])")
_NUMBERS = re.compile(r"(?<![A-Za-z0-9])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9])")
_GROUPS = re.compile(r"[A-Za-z0-9]::|::[A-Za-z0-9]|(?:[A-Za-z0-9]{1,4}:){7}[A-Za-z0-9]")
_WIDE_COLON = "\uff1a"
_BLANK = "\u2800"  # a pattern of Braille without a dot
_TOP_LEVEL_LABELS = (
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
_TOP_LEVELS = frozenset(label.encode().decode("punycode") for label in _TOP_LEVEL_LABELS.split())


def check_is_seen(text: str) -> None:
    """Raise FormatError where `text` has markup as an entity, or no visible character.

    `server.core.content.invisible` has the characters that Unicode calls ignorable.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" and c != _BLANK for c in text):
        raise FormatError("a text has nothing that can be seen")
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (entity := _ENTITY.search(form)) is not None:
            raise FormatError(f"a text holds {entity[0]!r}, which is markup; write the character")


def check_links_nowhere(text: str) -> None:
    """Raise FormatError where a program might turn a word into a link.

    That is a scheme, a domain name, or a host's address.
    """
    check_has_no_scheme(text)
    for form in _forms(text):
        if (address := _NUMBERS.search(form) or _GROUPS.search(form)) is not None:
            raise FormatError(
                f"a text holds {address[0]!r}, which some program takes for a host's address; write"
                " `v` in front of a version, and a space behind a colon"
            )
        for end in _domain_ends(form):
            word = form[:end].split()[-1]
            raise FormatError(
                f"a text holds {word[-60:]!r}, which some program takes for a link; write a"
                " space behind the full stop, and a link as a member of its own"
            )


def check_has_no_scheme(text: str) -> None:
    """Raise FormatError where a word begins like a link of any scheme, such as `tel:112`."""
    for form in _forms(text):
        if (scheme := _SCHEME.search(form)) is not None:
            raise FormatError(
                f"a text holds {scheme[0]!r}, which some program takes for a link; write a space"
                " behind the colon"
            )


def _forms(text: str) -> tuple[str, str]:
    """Return a text as it is, and in plain letters.

    A wide colon ends a word in Chinese, and begins no link.
    """
    return text, unicodedata.normalize("NFKC", text.replace(_WIDE_COLON, " "))


def _domain_ends(text: str) -> Iterator[int]:
    """Yield the ends of top-level domains that follow a dot and part of a name."""
    for dot in re.finditer(r"\.", text):
        at = dot.start()
        if at == 0 or not _is_of_names(text[at - 1]):
            continue
        if (ascii_label := _DOTTED.match(text, at)) is not None:
            yield ascii_label.end()
        end = at + 1
        while end < len(text) and unicodedata.category(text[end])[0] in "LNM":
            end += 1
        if text[at + 1 : end].casefold() in _TOP_LEVELS:
            yield end


def _is_of_names(character: str) -> bool:
    """Answer whether a domain name may end with the character: an emoji may be a name, too."""
    category = unicodedata.category(character)
    return category[0] in "LNM" or category == "So"


Text = Annotated[str, msgspec.Meta(min_length=1)]
Localized = Annotated[dict[Locale, Text], msgspec.Meta(min_length=1, max_length=64)]
Licence = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.+:() -]{1,64}\Z")]

_FORBIDDEN = ("<", ">", "//", "http:", "https:", "javascript:", "data:", "www.", "www\u3002")
_JOINERS = "\u200c\u200d"  # of Indic and Arabic scripts, and of emoji
_TAGS = range(0xE0020, 0xE0080)  # of flags
_CATEGORIES = {"Cc": "control", "Cf": "format", "Cs": "surrogate", "Co": "private"}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_LINK = re.compile(r"https://([a-z0-9.-]{1,100})/[!$-;=?-Z\[\]_a-z~]*")


def check_text(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` may be shown: 1 to `limit` characters, with `lines` feeds.

    Words that a program might turn into a link are refused.
    """
    check_name(text, limit, lines=lines)
    check_links_nowhere(text)


def check_name(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError as `check_text`, but allow dots in words: for products with such names."""
    check_characters(text, limit, lines=lines)
    if not unicodedata.is_normalized("NFC", text):
        raise FormatError("a text is not in Unicode's form NFC")
    folded = text.casefold()
    # Other forms of the same letters, such as wide ones, are links for some programs.
    plain = unicodedata.normalize("NFKC", text).casefold()
    for word in _FORBIDDEN:
        if word in folded or word in plain:
            raise FormatError(f"a text holds {word!r}; a link is a member of its own")
    check_is_seen(text)


def check_characters(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` has 1 to `limit` characters, each visible or needed.

    No character may change the direction, move a cursor or end a line, except feeds with `lines`.
    """
    if not 1 <= len(text) <= limit:
        raise FormatError(f"a text has {len(text)} characters, and 1 to {limit} are allowed")
    for character in text:
        if not (lines and character == "\n"):
            _check_character(character)
    for code in stray_characters(text):
        raise FormatError(f"a text holds U+{code:04X}, which nothing around it needs")


def check_localized(texts: Mapping[str, str], limit: int, *, lines: bool = False) -> None:
    """Raise FormatError, with the locale, unless each of the texts may be shown."""
    for locale, text in texts.items():
        try:
            check_text(text, limit, lines=lines)
        except FormatError as error:
            raise FormatError(f"{locale}: {error}") from error


def check_host(host: str) -> None:
    """Raise FormatError unless `host` is an allowed host name of links."""
    if len(host) > 100 or _HOST.fullmatch(host) is None:
        raise FormatError(f"{host[:100]!r} is not a host name in lower-case letters")


def check_link(link: str, hosts: Collection[str]) -> None:
    """Raise FormatError unless `link` is `https://HOST/PATH` with one of `hosts`."""
    found = _LINK.fullmatch(link) if len(link) <= 300 else None
    if found is None:
        raise FormatError(
            f"{link[:100]!r} is not of the form https://HOST/PATH, without port, user and fragment"
        )
    if found[1] not in hosts:
        raise FormatError(f"{link[:100]!r} leads to {found[1]}, which is not an allowed host")


def _check_character(character: str) -> None:
    code = ord(character)
    category = unicodedata.category(character)
    is_refused = category in _CATEGORIES or category in {"Zl", "Zp"} or code & 0xFFFE == 0xFFFE
    if is_refused and character not in _JOINERS and code not in _TAGS:
        kind = _CATEGORIES.get(category, "forbidden")
        raise FormatError(f"a text holds U+{code:04X}, a {kind} character")
