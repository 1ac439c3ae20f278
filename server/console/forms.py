"""Forms: strict decoding, and the check that they come from the console's own pages (CSRF)."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from aiohttp import web

from server.release.api.decode import receive_bytes
from server.release.api.problems import ProblemError

FORM = "application/x-www-form-urlencoded"
FORM_LIMIT = 65_536  # bytes: several reasons of 500 characters each
MAX_FIELDS = 64
UNITS = MappingProxyType({"hours": 3600, "days": 86_400})
_ROW = re.compile(r"share-[0-9]{1,2}")
_SHARE = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]))?(?:\s?%)?")
_HOLD = re.compile(r"[1-9][0-9]{0,4}")
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")


def csrf_token(secret: str) -> str:
    """Return the token that proves that a form is from a page that was sent to this browser."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


async def receive_form(request: web.BaseRequest, origin: str, secret: str) -> dict[str, str]:
    """Return the fields of a form; raises ProblemError (403) if it is from another site.

    The browser has to send the console's origin, and the form has to contain the CSRF token.
    """
    if request.headers.getall("Origin", []) != [origin]:
        raise _foreign()
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise _foreign()
    fields = decode_fields((await receive_bytes(request, FORM, FORM_LIMIT)).decode("latin-1"))
    token = fields.pop("csrf", "")
    if not hmac.compare_digest(token.encode(), csrf_token(secret).encode()):
        raise _foreign()
    # Browsers send line ends as CRLF; they are stored as LF.
    return {name: value.replace("\r\n", "\n").strip() for name, value in fields.items()}


def decode_fields(text: str) -> dict[str, str]:
    """Return the fields of a form or query; raises ProblemError (400), also for repeated ones."""
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise ProblemError(400, "malformed", "The form or query is malformed.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or _UNSTORABLE.search("".join(map("".join, pairs))):
        raise ProblemError(400, "malformed", "The form or query is malformed.")
    return fields


def reasons(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the texts by locale from a form's rows `locale-N`, `text-N`; skip empty rows."""
    found = {}
    for name, text in fields.items():
        if not name.startswith("text-") or not text:
            continue
        locale = fields.get(f"locale-{name.removeprefix('text-')}", "")
        if not locale or locale in found:
            raise ProblemError(422, "invalid", "Give each reason a language of its own.")
        found[locale] = text
    return found


def permille(text: str) -> int:
    """Return a share in permille from text in per cent, such as `12.5`."""
    found = _SHARE.fullmatch(text)
    share = int(found[1]) * 10 + int(found[2] or 0) if found else -1
    if not 0 <= share <= 1000:
        raise ProblemError(
            422, "invalid", f"{text[:20]!r} is not a share: use per cent, such as 1, 12.5 or 100."
        )
    return share


def stages(fields: Mapping[str, str]) -> list[dict[str, int]]:
    """Return the stages in a form's rows `share-N`, `hold-N`, `unit-N`; skip empty rows.

    Every stage except the last needs a hold.
    """
    rows = sorted(
        int(name.removeprefix("share-"))
        for name, text in fields.items()
        if _ROW.fullmatch(name) is not None and text
    )
    found = []
    for row in rows:
        stage = {"permille": permille(fields[f"share-{row}"])}
        hold = fields.get(f"hold-{row}", "")
        if row != rows[-1]:
            if _HOLD.fullmatch(hold) is None:
                raise ProblemError(
                    422, "invalid", "Say for each share but the last how long it is kept."
                )
            stage["hold"] = int(hold) * UNITS[fields.get(f"unit-{row}", "") or "days"]
        found.append(stage)
    return found


def _foreign() -> ProblemError:
    return ProblemError(
        403, "forbidden", "This form is not from a page of this session: open the page again."
    )
