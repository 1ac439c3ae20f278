"""From octets to typed values, strictly: whatever is not declared is refused.

msgspec checks the types. It takes the last of two equal keys and any depth, so that is refused
before it looks.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from server.release.api.problems import ProblemError
from server.release.people.token_text import holds_token

MAX_DEPTH = 32
"""Levels of a JSON body; no operation's type comes near."""
MAX_PARAMETERS = 32
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")
_BOOLEANS = {"true": True, "false": False}


def decode_body(data: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the struct that a JSON body holds; raises ProblemError 400 or 422."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        _check_value(value, MAX_DEPTH)
    except RecursionError as error:
        raise _malformed("the body is nested too deep") from error
    except ValueError as error:  # JSON, UTF-8, a number of thousands of digits
        raise _malformed("the body is not JSON in UTF-8") from error
    try:
        return msgspec.json.decode(data, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid("body", error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed("the body is not JSON in UTF-8") from error


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
    _check_value(values, 2)
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


def _no_constant(_text: str) -> float:
    raise _malformed("the body holds a number that JSON has not")


def _check_value(value: object, levels: int) -> None:
    """Refuse what no database column takes, NUL and lone surrogates; depth; and tokens.

    No operation takes a token in body or query, where answers would show it to others.
    """
    match value:
        case dict() | list() if levels == 0:
            raise _malformed("the body is nested too deep")
        case dict():
            for key, item in value.items():
                _check_value(key, levels)
                _check_value(item, levels - 1)
        case list():
            for item in value:
                _check_value(item, levels - 1)
        case str() if _UNSTORABLE.search(value):
            raise _malformed("a text holds NUL or half of a surrogate pair")
        case str() if holds_token(value):
            raise ProblemError(
                422,
                "invalid",
                "A token stands where it does not belong: revoke it, and leave it out.",
            )
        case _:
            pass


def _malformed(reason: str) -> ProblemError:
    return ProblemError(400, "malformed", f"{reason}: mend the request.")


def _invalid(where: str, error: msgspec.ValidationError) -> ProblemError:
    return ProblemError(422, "invalid", f"The {where} does not fit: {error}.")
