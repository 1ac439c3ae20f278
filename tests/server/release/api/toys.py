# ruff: noqa: RUF029 - handlers are awaited, whether they wait themselves or not
"""A small API with every kind of operation, to test the framework on its own."""

import enum
from typing import Annotated

import msgspec
from sqlalchemy.exc import OperationalError

from server.core.errors import FormatError, ReleaseError
from server.release.api.operation import Header, Operation, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission
from server.release.errors import (
    AuthenticationError,
    ConflictError,
    NeedsSignatureError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    QuotaError,
    RateError,
    TooLargeError,
)
from server.storage.errors import StorageError

ERRORS = {
    "authentication": AuthenticationError("who are you."),
    "conflict": ConflictError("it is taken."),
    "format": FormatError("it is no form."),
    "missing": NotFoundError("it is not there."),
    "permission": PermissionDeniedError("you may not."),
    "precondition": PreconditionError("it changed."),
    "quota": QuotaError("it is full."),
    "rate": RateError("it is too often.", 7),
    "release": ReleaseError("it contradicts."),
    "signature": NeedsSignatureError("they must sign.", {"role": "armani", "version": 3}),
    "size": TooLargeError("it is big."),
    "storage": StorageError("the disk is gone."),
    "database": OperationalError("SELECT secret-statement", {}, Exception("secret-cause")),
    "bug": ZeroDivisionError("secret-sentence"),
}
HOW = enum.StrEnum("HOW", list(ERRORS))


class Colour(enum.StrEnum):
    """Some colours."""

    RED = "red"
    GREEN = "green"


class Toy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A toy."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    colour: Colour
    price: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    parts: Annotated[list["Toy"], msgspec.Meta(max_length=3)] = msgspec.field(default_factory=list)


class ToyQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which toys."""

    colour: Colour | None = None
    old: bool = False


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which error."""

    how: HOW


MADE = []


async def list_toys(call):
    """List numbers in place of toys."""
    last = decode_cursor(call.query.cursor, int)
    first = 0 if last is None else last + 1
    rows = list(range(first, min(450, first + call.query.limit + 1)))
    colour = call.query.colour or Colour.RED
    return Reply(make_page(call, rows, int, lambda n: Toy(f"toy {n}", colour, n % 7)))


async def make_toy(call):
    """Make a toy."""
    MADE.append(call.body.name)
    return Reply(call.body, headers={"X-Toy": str(len(MADE))})


async def make_secret(call):
    """Make a toy whose name may not be shown twice."""
    MADE.append(call.body.name)
    return Reply(call.body)


async def get_toy(call):
    """Show one toy."""
    if call.path["toy"] != "bear":
        raise NotFoundError("There is no such toy.")
    return Reply(Toy("bear", Colour.RED), headers={"ETag": '"1"'})


async def paint_toy(call):
    """Paint the bear."""
    if call.path["toy"] != "bear":
        raise NotFoundError("There is no such toy.")
    call.check_match('"1"')
    return Reply(call.body)


async def drop_toy(call):
    """Throw a toy away."""
    assert call.path["toy"]
    return Reply()


async def fail_toy(call):
    """Fail in a given way."""
    raise ERRORS[call.query.how]


async def fail_once(call):
    """Fail with a body, so that a key goes along."""
    MADE.append(call.body.how)
    raise ERRORS[call.body.how]


async def send_bytes(call):
    """Count the bytes of a body."""
    count = 0
    async for piece in call.request.content.iter_any():
        count += len(piece)
    return Reply(str(count).encode(), headers={"X-Count": str(count)})


def operation(method, path, handler, permission=Permission.READ, **more):
    """Return an operation of this API."""
    return Operation(
        method=method,
        path=f"/api/v1{path}",
        permission=permission,
        summary="Play",
        handler=handler,
        **more,
    )


TOYS = (
    operation("GET", "/toys", list_toys, query=ToyQuery, response=Page[Toy]),
    operation(
        "POST", "/toys", make_toy, Permission.UPLOAD, request=Toy, response=Toy, status=201
    ),
    operation(
        "POST", "/secrets", make_secret, None, request=Toy, response=Toy, status=201, secret=True
    ),
    operation("GET", "/toys/{toy}", get_toy, response=Toy),
    operation(
        "PUT", "/toys/{toy}", paint_toy, Permission.ROLLOUT, request=Toy, response=Toy,
        if_match=True,
    ),
    operation("DELETE", "/toys/{toy}", drop_toy, status=204),
    operation(
        "PUT", "/octets", send_bytes, raw=True,
        content_type="application/offset+octet-stream", response_type="text/plain",
        headers=(Header("Toy-Version", "Which."),), reply_headers={"Toy-Resumable": "1.0.0"},
    ),
)  # fmt: skip
FAILURES = (
    operation("GET", "/failures", fail_toy, query=Failure, response=Toy),
    operation("POST", "/failures", fail_once, request=Failure, response=Toy),
)
