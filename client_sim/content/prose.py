"""What a phone's programs would make of a text: taps that lead away, or nothing to be read.

Source: docs/FORMATS.md section 15, Text.
"""

import re
import string
import unicodedata
from itertools import pairwise, takewhile
from typing import Final

_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_OF_SCHEMES: Final = _ALPHANUMERIC + ".+-"
_BEHIND_SCHEMES: Final = frozenset(_ALPHANUMERIC + "/+*#?%&@=~_")
_BRAILLE_BLANK: Final = "\u2800"
_IN_NO_ADDRESS: Final = re.compile(r"[^A-Za-z0-9.]")
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_IPV6: Final = re.compile(r"[A-Za-z0-9]::|::[A-Za-z0-9]|(?:[A-Za-z0-9]{1,4}:){7}[A-Za-z0-9]")
# Domains of the top level that are not ASCII, as RFC 3492 writes them.
_ENCODED: Final = (
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
_TOPS: Final = frozenset(name.encode().decode("punycode") for name in _ENCODED.split())


def is_blank(text: str) -> bool:
    """Tell whether nothing of a text would be seen: spaces, marks upon nothing, what formats."""
    return all(
        character == _BRAILLE_BLANK or unicodedata.category(character)[0] in "ZMC"
        for character in text
    )


def has_entity(text: str) -> bool:
    """Tell whether a text has a character written as in HTML, plain or in other forms."""
    for form in (text, unicodedata.normalize("NFKC", text)):
        for piece in form.split("&")[1:]:
            body, end, _ = piece.partition(";")
            name = body.removeprefix("#")
            if end and len(body) > 1 and name.isascii() and name.isalnum():
                return True
    return False


def leads_away(text: str) -> bool:
    """Tell whether a word looks like a link: by a scheme, or as a domain's name or an address.

    Chinese sets a wide colon without a space, so that one is no scheme's.
    """
    forms = (text, unicodedata.normalize("NFKC", text.replace("\uff1a", " ")))
    return any(_has_scheme(form) or _has_domain(form) or _has_address(form) for form in forms)


def _has_scheme(text: str) -> bool:
    for left, right in pairwise(text.split(":")):
        name = left[len(left.rstrip(_OF_SCHEMES)) :]
        behind = right.removeprefix("-")[:1]
        if name and name[0] in string.ascii_letters and behind in _BEHIND_SCHEMES:
            return True
    return False


def _has_domain(text: str) -> bool:
    for left, right in pairwise(text.split(".")):
        top = len(list(takewhile(string.ascii_letters.__contains__, right)))
        ends = right[top : top + 1] not in string.digits or top == len(right)
        label = "".join(takewhile(_is_of_words, right))
        if left and (_is_of_words(left[-1]) or unicodedata.category(left[-1]) == "So"):
            if top > 1 and ends:
                return True
            if label.casefold() in _TOPS:
                return True
    return False


def _has_address(text: str) -> bool:
    """Tell whether a host's number is there: four that dots join, or what only IPv6 looks like."""
    for word in _IN_NO_ADDRESS.split(text):
        are_numbers = [_NUMBER.fullmatch(part) is not None for part in word.split(".")]
        if any(all(are_numbers[at : at + 4]) for at in range(len(are_numbers) - 3)):
            return True
    return _IPV6.search(text) is not None


def _is_of_words(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"
