"""Strict encodings: one value has one encoding, and a length limit is checked before parsing.

Source: docs/FORMATS.md section 1.
"""

import base64
import binascii
import json
import re
from typing import Any

from server.core.errors import FormatError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def encode_canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the canonical JSON of dicts, lists, strings, integers, booleans and null.

    Raises FormatError for any other type, for more than 16 levels and for lone surrogates.
    """
    _check_value(value, MAX_DEPTH)
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode() + b"\n"
    except ValueError as error:  # a lone surrogate, or an integer with too many digits
        raise FormatError(f"a value cannot be written as JSON: {error}.") from error


def decode_canonical_json(data: bytes, *, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of canonical JSON.

    Raises FormatError for more than `limit` bytes, and for any other encoding: white space,
    duplicate keys, unsorted keys, floats, escapes.
    """
    if len(data) > limit:
        raise FormatError(f"a JSON file of {len(data)} bytes is over the limit of {limit}.")
    try:
        value = json.loads(data, parse_float=_refuse_number, parse_constant=_refuse_number)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"a JSON file cannot be read: {error}.") from error
    if encode_canonical_json(value) != data:
        raise FormatError("a JSON file is not in its canonical form.")
    return value


def decode_decimal(text: str) -> int:
    """Return the integer of a decimal (FORMATS.md section 1), 0 to 2**53 - 1."""
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_INTEGER:
        raise FormatError(f"{text[:32]!r} is not a number in decimal form.")
    return int(text)


def decode_base64(text: str) -> bytes:
    """Decode standard base64; raises FormatError unless it is in its canonical form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("a base64 text is malformed.") from error
    if base64.b64encode(raw).decode() != text:
        raise FormatError("a base64 text is not in its canonical form.")
    return raw


def is_sha256(value: object) -> bool:
    """Return whether `value` is a sha256 in lower-case hex."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def to_ecma(schema: Any) -> Any:  # noqa: ANN401 - JSON
    r"""Return a JSON schema with ECMAScript patterns: Python's `\Z` becomes `$`."""
    match schema:
        case dict():
            spelled = {name: to_ecma(value) for name, value in schema.items()}
            if isinstance(schema.get("pattern"), str):
                spelled["pattern"] = re.sub(r"\\Z$", "$", schema["pattern"])
            return spelled
        case list():
            return [to_ecma(value) for value in schema]
        case _:
            return schema


def check_sha256(text: str) -> None:
    """Raise FormatError unless `text` is a sha256 in lower-case hex."""
    if not is_sha256(text):
        raise FormatError(f"{text[:80]!r} is not a sha256 in lower-case hex.")


def _refuse_number(text: str) -> float:
    raise FormatError(f"{text[:32]} is not an integer.")


def _check_value(value: object, levels: int) -> None:
    match value:
        case dict() | list() if levels == 0:
            raise FormatError(f"a JSON value is nested deeper than {MAX_DEPTH} levels.")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise FormatError(f"a {type(key).__name__} cannot name a member of an object.")
                _check_value(item, levels - 1)
        case list():
            for item in value:
                _check_value(item, levels - 1)
        case None | bool() | int() | str():
            pass
        case _:
            raise FormatError(f"a {type(value).__name__} has no canonical JSON.")


def check_schema(path: str, custom: object, member: str) -> None:
    """Raise FormatError unless `custom` is an object with schema 1 in its `member`."""
    if not isinstance(custom, dict) or member not in custom:
        raise FormatError(f"the target {path} has no `custom` object with a `{member}`.")
    schema = custom[member]
    if type(schema) is not int or schema != 1:
        raise FormatError(
            f"the target {path} has schema {str(schema)[:32]!r}; this version knows schema 1 only."
        )
