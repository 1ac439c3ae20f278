"""Forms: decoded strictly, and accepted only from the console's own pages."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from server.release.api.decode import receive_bytes
from server.release.api.problems import ProblemError

FORM = "application/x-www-form-urlencoded"
FORM_LIMIT = 65_536  # bytes: some reasons of 500 characters each
MAX_FIELDS = 64
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")


def csrf_token(secret: str) -> str:
    """Return the token by which a form proves that it is from a page for this browser."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


async def receive_form(request: web.BaseRequest, origin: str, secret: str) -> dict[str, str]:
    """Return the fields of a form; raises ProblemError (403) for one of another site.

    The browser sends the form's origin, and the form has the token of the console's page.
    """
    if request.headers.getall("Origin", []) != [origin]:
        raise _foreign()
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise _foreign()
    fields = decode_fields((await receive_bytes(request, FORM, FORM_LIMIT)).decode("latin-1"))
    given = fields.pop("csrf", "")
    if not hmac.compare_digest(given.encode(), csrf_token(secret).encode()):
        raise _foreign()
    # Browsers send CRLF line ends; LF is stored.
    return {name: value.replace("\r\n", "\n").strip() for name, value in fields.items()}


def decode_fields(text: str) -> dict[str, str]:
    """Return the fields of a form or query, each once; raises ProblemError (400)."""
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
    """Return the texts by locale of a form's rows `locale-N`, `text-N`; empty rows are left out."""
    found = {}
    for name, text in fields.items():
        if not name.startswith("text-") or not text:
            continue
        locale = fields.get(f"locale-{name.removeprefix('text-')}", "")
        if not locale or locale in found:
            raise ProblemError(422, "invalid", "Each reason has a language of its own.")
        found[locale] = text
    return found


def _foreign() -> ProblemError:
    return ProblemError(
        403, "forbidden", "This form is not from a page of this session: open the page again."
    )
