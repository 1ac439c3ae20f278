"""Requests to every operation of the API, with a secret in every place that accepts a value."""

import json
import re

import msgspec
from msgspec import inspect

from server.release.api.catalogue import OPERATIONS

_PARAMETER = re.compile(r"\{\w+\}")
#: Headers that may make an operation refuse, so each is sent alone to operations that read it.
READ = ("Idempotency-Key", "If-Match")
READ_BY_UPLOADS = ("Tus-Resumable", "Upload-Checksum", "Upload-Metadata")
IGNORED = (
    *("Cookie", "Origin", "Referer", "User-Agent", "X-Api-Key", "X-Forwarded-For"),
    "X-Request-Id",
)


def bodies(kind, secret):  # noqa: C901 - one case per type
    """Return a value that fits a type, with `secret` in place of each text."""
    match kind:
        case inspect.Metadata():
            return bodies(kind.type, secret)
        case inspect.StrType():
            return secret[: kind.max_length]
        case inspect.IntType():
            return max(kind.ge or 0, 1)
        case inspect.BoolType():
            return True
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.ListType() | inspect.VarTupleType():
            return [bodies(kind.item_type, secret)]
        case inspect.DictType():
            return {bodies(kind.key_type, secret): bodies(kind.value_type, secret)}
        case inspect.UnionType():
            return bodies(
                next(t for t in kind.types if not isinstance(t, inspect.NoneType)), secret
            )
        case inspect.StructType():
            tag = {} if kind.tag_field is None else {kind.tag_field: kind.tag}
            return tag | {one.encode_name: bodies(one.type, secret) for one in kind.fields}
    raise TypeError(f"no example of {kind}")


def every_operation(admin, secret):
    """Yield requests with a valid token and `secret` in path, query, header and body.

    `admin` are the headers that authorise them. The same requests are also sent without these, and
    with `secret` as the token.
    """
    for operation in OPERATIONS:
        bare = _PARAMETER.sub("x", operation.path)
        filled = _PARAMETER.sub(secret, operation.path)
        usual = {"If-Match": "*", "Content-Type": operation.content_type}
        sample = b"{}"
        if operation.request is not None:
            sample = json.dumps(bodies(inspect.type_info(operation.request), secret)).encode()
        ignored, read = (*IGNORED, *READ_BY_UPLOADS), READ
        if "/uploads" in operation.path:
            ignored, read = IGNORED, READ + READ_BY_UPLOADS
        for who in (admin, {}):
            yield operation.method, filled, {**who, **usual}, sample
            yield operation.method, f"{bare}?secret={secret}", {**who, **usual}, sample
            yield operation.method, bare, {**who, **usual}, secret.encode()
            yield operation.method, bare, {**who, **usual, **dict.fromkeys(ignored, secret)}, sample
            for header in read:
                yield operation.method, bare, {**who, **usual, header: secret}, sample
        yield operation.method, bare, {**usual, "Authorization": f"Bearer {secret}"}, sample
        if operation.query is not None:
            for one in msgspec.structs.fields(operation.query):
                yield operation.method, f"{bare}?{one.encode_name}={secret}", admin, None
