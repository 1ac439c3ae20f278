"""Errors about an OTA package, the questions an inspection answers, and names in messages."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from signer.errors import SignerError

ONE_ZIP = "is one zip to every reader"
METADATA_AGREE = "has metadata that agree"
NO_SERIAL = "names no serial number"
RULES = "follows its version's rules"
PARTITION_HASHES = "has partition hashes"
OFFSETS = "has true offsets"
PROPERTIES = "has true payload properties"
METADATA_SIGNATURE = "has a good metadata signature"
PAYLOAD_SIGNATURE = "has a good payload signature"
WHOLE_FILE_SIGNATURE = "has a good whole-file signature"

# Called with each question whose answer is yes, in the order in which they are asked.
Answered = Callable[[str], None]


def ignore(_question: str) -> None:
    """Ignore an answer."""


class OtaError(SignerError):
    """The package is refused; the message says why.

    `question` is the question whose answer is no; `usual_question` is its default for a class.
    """

    usual_question: ClassVar[str] = RULES

    def __init__(self, sentence: str, question: str = "") -> None:
        super().__init__(sentence)
        self.question = question or self.usual_question


class ContainerError(OtaError):
    """The file is not a zip that all readers, phones included, interpret in the same way."""

    usual_question = ONE_ZIP


class MetadataError(OtaError):
    """The metadata is malformed, contradicts itself or is about another device."""

    usual_question = METADATA_AGREE


class PropertiesError(OtaError):
    """A property does not match the bytes, or must not be published."""

    usual_question = PROPERTIES


class PayloadError(OtaError):
    """The payload is malformed, or its bytes are not those it announces."""


class SignatureError(OtaError):
    """A signature is missing, malformed or not valid for the given certificate."""

    usual_question = WHOLE_FILE_SIGNATURE


class UnsupportedError(OtaError):
    """The package may be sound, but this version does not support its kind."""


MAX_SENTENCE = 300  # characters
_LONGEST, _MOST = 60, 3


def show_name(name: str) -> str:
    """Return a name for messages: its first 60 characters, with `?` for unprintable ones."""
    shown = name[: _LONGEST + 1]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else "?" for each in shown)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def show_text(text: str) -> str:
    """Return a value in quotes: at most 60 characters, escapes of unprintable ones included."""
    shown = repr(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def show_names(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    shown = ", ".join(map(show_name, names[:_MOST]))
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST} more"
