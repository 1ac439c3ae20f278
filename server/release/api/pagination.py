"""Pagination by key: `limit` items after an opaque `cursor`. New items do not shift the pages.

A cursor contains the key of the last item sent. It is not secret and grants no rights.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from server.release.api.operation import Call
from server.release.api.problems import ProblemError

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
T = TypeVar("T")
Row = TypeVar("Row")
Key = str | int
K = TypeVar("K", bound=Key)
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT, description="Items per page.")]
Cursor = Annotated[
    str, msgspec.Meta(max_length=400, description="From `next` of the previous page; opaque.")
]


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wanted page. An operation with filters adds them in a subclass."""

    cursor: Cursor = ""
    limit: Limit = DEFAULT_LIMIT


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of items, and the link to the next page."""

    items: list[T]
    next: str | None
    """The path and query of the next page; null on the last one."""


def encode_cursor(key: Key) -> str:
    """Return the cursor after the item whose key is `key`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[K]) -> K | None:
    """Return the key in a cursor, None for the first page; raises ProblemError (400)."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _malformed() from error
    if encode_cursor(key) != cursor or (isinstance(key, str) and "\0" in key):
        raise _malformed()
    if isinstance(key, int) and abs(key) >= 2**53:
        raise _malformed()
    return key


def make_page(
    call: Call, rows: Sequence[Row], key: Callable[[Row], Key], show: Callable[[Row], T]
) -> Page[T]:
    """Return the page of `rows`, of which the caller fetched up to `call.query.limit + 1`.

    `key` returns the sort key of a row, `show` the item to send. `next` keeps the query's filters.
    """
    limit = call.query.limit
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        values = {**msgspec.to_builtins(call.query), "cursor": encode_cursor(key(shown[-1]))}
        parameters = {
            name: _spell(value) for name, value in values.items() if value not in {None, ""}
        }
        following = f"{call.request.raw_path.partition('?')[0]}?{urlencode(parameters)}"
    return Page([show(row) for row in shown], following)


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _malformed() -> ProblemError:
    return ProblemError(
        400, "malformed", "The cursor is not from this server: start from the first page."
    )
