"""Known values of a phone and its owner: a whole persona, or a few values.

The file is JSON: the output of `encode_persona`, or an object with any of a persona's fields. A
list of values may replace a value, and other labels may be used for other known values.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.lab.errors import CaptureError
from client_sim.persona import PERSONA_LIMIT, PersonaError, canaries, decode_persona

SHORTEST: Final = 8
"""The minimum length, in bytes, of a value that is searched for everywhere.

Shorter values occur by chance."""

_VALUES_LIMIT: Final = 20_000
_DEPTH_LIMIT: Final = 4
_FORM: Final = (
    "a file of known values is a JSON object such as"
    ' {"imei": "…", "phone_number": ["…", "…"], "contacts": [{"number": "…"}]}'
)
_NUMBER: Final = re.compile(r"\+([1-9][0-9]{6,14})")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_IMEI: Final = re.compile(r"[0-9]{15}")


@dataclass(frozen=True, slots=True)
class Known:
    """Values by field: `anywhere` are searched in all bytes, `whole` only as whole values."""

    anywhere: Mapping[str, tuple[bytes, ...]]
    whole: Mapping[str, tuple[bytes, ...]]


def decode_known(data: bytes) -> Known:
    """Decode a file of known values; raise CaptureError, which describes the format."""
    if len(data) > PERSONA_LIMIT:
        raise CaptureError(f"the persona has more than {PERSONA_LIMIT} bytes: give a smaller one")
    try:
        return Known(canaries(decode_persona(data)), {})
    except PersonaError:
        pass  # try to read it as a few values
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"the persona cannot be read ({error}): {_FORM}") from error
    if not isinstance(document, dict):
        raise CaptureError(f"the persona cannot be read: {_FORM}")
    return _sort(document)


def _sort(document: dict[str, Any]) -> Known:
    anywhere: dict[str, dict[bytes, None]] = {}
    whole: dict[str, dict[bytes, None]] = {}
    count = 0
    for name, value in _walk(document, "", 0):
        for spelled in _list_spellings(value):
            data = spelled.encode("utf-8", "surrogatepass")
            count += 1
            if count > _VALUES_LIMIT:
                raise CaptureError(f"the persona has more than {_VALUES_LIMIT} values: give fewer")
            if len(data) >= SHORTEST:
                anywhere.setdefault(name, {})[data] = None
            elif data:
                whole.setdefault(name, {})[data] = None
    if not anywhere and not whole:
        raise CaptureError(f"the persona has no values: {_FORM}")
    return Known(
        {name: tuple(values) for name, values in anywhere.items()},
        {name: tuple(values) for name, values in whole.items()},
    )


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- JSON
    if depth > _DEPTH_LIMIT:
        raise CaptureError(f"the persona is nested too deeply: {_FORM}")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{name}.{key}" if name else key, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, name, depth + 1)
    elif isinstance(value, str):
        yield name, value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, str(value)


def _list_spellings(value: str) -> Iterator[str]:
    """Yield a value and other spellings of it; real values vary more than a persona's."""
    yield value
    if " " in value:
        yield value.replace(" ", "+")  # the encoding of forms
    if number := _NUMBER.fullmatch(value):
        yield number[1]
        for code in (1, 2, 3):  # possible lengths of the country code
            yield f"0{number[1][code:]}"
            yield number[1][code:]
    elif _MAC.fullmatch(value):
        plain = re.sub("[:-]", "", value)
        pairs = [plain[at : at + 2] for at in range(0, 12, 2)]
        for cased in ([pair.lower() for pair in pairs], [pair.upper() for pair in pairs]):
            yield from (":".join(cased), "-".join(cased), "".join(cased))
    elif _IMEI.fullmatch(value):
        yield value[:14]
