"""From bytes to typed values, strictly: whatever is not declared is refused.

msgspec decodes by type, so a body that does not fit costs next to nothing. It takes the last of two
equal names, NUL and half surrogate pairs; those are looked for in a body that fits, whose size its
type bounds. The limits of `operation` keep all of it below a millisecond or two on the event loop.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from server.release.api.problems import ProblemError
from server.release.people.token_text import holds_token

MAX_QUOTES = 4096
"""Quotation marks of a body, but for escaped ones: an account with 1000 codenames has about 2000.

Equal names fit the type as often as they are there, and each is checked against a pattern.
"""
MAX_PARAMETERS = 32
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")
_BOOLEANS = {"true": True, "false": False}


def decode_body(data: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the struct that a JSON body holds; raises ProblemError 400 or 422."""
    try:
        text = data.decode("utf-8")
        # What is spelled with escapes is looked at below. Problems are redacted, too.
        _check_tokens(text)
        if text.replace('\\"', "").count('"') > MAX_QUOTES:
            raise _malformed("the body holds more texts than any operation takes")
        value = msgspec.json.decode(text, type=kind, strict=True)
        plain = json.loads(text, object_pairs_hook=_no_duplicates)
    except msgspec.ValidationError as error:
        raise _invalid("body", error) from error
    except RecursionError as error:
        raise _malformed("the body is nested too deep") from error
    except ValueError as error:  # JSON or UTF-8
        raise _malformed("the body is not JSON in UTF-8") from error
    if "\\" in text:  # without an escape there is nothing in it but what was looked at
        _check_value(plain)
    return value


def decode_query(text: str, kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    """Return the struct that a query string holds; raises ProblemError 400 or 422."""
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError as error:
        raise _malformed("the query is malformed") from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _malformed("a parameter of the query is given twice")
    _check_value(values)
    if kind is None:
        if values:
            raise ProblemError(422, "invalid", "This operation takes no query: leave it out.")
        return None
    typed: dict[str, Any] = dict(values)
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(f"{kind.__name__} is no struct")
    for member in info.fields:
        if (given := values.get(member.encode_name)) is not None:
            typed[member.encode_name] = _scalar(given, member.type)
    try:
        return msgspec.convert(typed, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid("query", error) from error


def _scalar(text: str, kind: msgspec.inspect.Type) -> str | int | bool:
    """Read a parameter's one spelling; what is no spelling stays text, which its type refuses."""
    while isinstance(kind, msgspec.inspect.Metadata | msgspec.inspect.UnionType):
        if isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        else:
            kind = next(t for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
    if isinstance(kind, msgspec.inspect.IntType) and _INTEGER.fullmatch(text):
        return int(text)
    if isinstance(kind, msgspec.inspect.BoolType):
        return _BOOLEANS.get(text, text)
    return text


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _malformed("a member of the body is given twice")
    return value


def _check_value(value: object) -> None:
    match value:
        case dict():
            for key, item in value.items():
                _check_text(key)
                _check_value(item)
        case list():
            for item in value:
                _check_value(item)
        case str():
            _check_text(value)
        case _:
            pass


def _check_text(text: str) -> None:
    """Refuse what no database column takes, NUL and lone surrogates; and tokens."""
    if _UNSTORABLE.search(text):
        raise _malformed("a text holds NUL or half of a surrogate pair")
    _check_tokens(text)


def _check_tokens(text: str) -> None:
    """Refuse tokens: no operation takes one where answers would show it to others."""
    if holds_token(text):
        raise ProblemError(
            422,
            "invalid",
            "A token stands where it does not belong: revoke it, and leave it out.",
        )


def _malformed(reason: str) -> ProblemError:
    return ProblemError(400, "malformed", f"{reason}: mend the request.")


def _invalid(where: str, error: msgspec.ValidationError) -> ProblemError:
    return ProblemError(422, "invalid", f"The {where} does not fit: {error}.")
