"""A fuzz target: a body of any bytes for the cloud is decoded or refused with a CloudError."""

from typing import Any

from server.cloud.accounts.sessions import PasswordResponse, Response
from server.cloud.app import ROUTES
from server.cloud.errors import CloudError
from server.cloud.gate import check_ciphertext
from server.cloud.records.wire import decode_changes, decode_sequence
from server.cloud.routing import decode

KINDS: tuple[Any, ...] = (
    *(route.body for route in ROUTES if route.body not in {None, bytes} and not route.is_json),
    Response,
    PasswordResponse,
)
"""The types of bodies, and of the signed values in some; an input's first byte selects one."""


def check_body(data: bytes) -> None:
    """Use an input as a body, a cursor and a ciphertext; raise all errors except CloudError."""
    kind, body = KINDS[data[0] % len(KINDS)] if data else KINDS[0], data[1:]
    text = body.decode("latin-1")
    for attempt in (
        lambda: decode(body, kind),
        lambda: decode_changes(text, b"1234", "account"),
        lambda: decode_sequence(text, b"1234", "collection"),
        lambda: check_ciphertext(body, "this"),
    ):
        try:
            attempt()
        except CloudError as error:
            if "\n" in str(error) or len(str(error)) > 400 or not 400 <= error.status < 500:
                raise AssertionError(f"{error} is not a sentence of a refusal") from error
