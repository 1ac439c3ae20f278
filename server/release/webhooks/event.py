"""Events, which are small objects with fixed fields, and their signatures.

Source: docs/FORMATS.md section 13.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from server.core.encodings import decode_base64, encode_canonical_json
from server.core.errors import FormatError
from server.core.pointer import Permille, Reason
from server.core.release import Integer, Positive
from server.publisher.build_names import BuildName

UNSET = msgspec.UNSET
Build = BuildName | msgspec.UnsetType
"""The name of the event's build; absent if the event is not about a build."""
Text = Annotated[str, msgspec.Meta(max_length=500)]


class EventType(StrEnum):
    """The types of events; `ping` is only for tests, so a webhook cannot subscribe to it."""

    PUBLISHED = "published"
    ROLLED_OUT = "rolled-out"
    HALTED = "halted"
    EXPIRING = "expiring"
    CHANGE_WAITING = "change-waiting"
    CHANGE_REFUSED = "change-refused"
    PING = "ping"


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of one type of event."""


class PublishedData(_Data, frozen=True):
    """New versions of offline roles are public; `roles` has the versions of those that changed."""

    roles: dict[str, Positive]
    snapshot: Positive
    timestamp: Positive


class RolledOutData(_Data, frozen=True):
    """A channel's newest build is offered to `permille` of the fleet; `complete` means all."""

    channel: str
    codename: str
    complete: bool
    counter: Positive
    permille: Permille
    region: str
    build: Build = UNSET


class HaltedData(_Data, frozen=True):
    """A channel stops admitting devices."""

    channel: str
    codename: str
    counter: Positive
    reason: Reason
    region: str
    build: Build = UNSET


class ExpiringData(_Data, frozen=True):
    """A role has used up `percent` of its lifetime; `expires` in epoch seconds."""

    expires: Integer
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)]
    role: str
    version: Positive


class ChangeWaitingData(_Data, frozen=True):
    """A change waits for an approval or for its time."""

    action: str
    change: str
    waits_for: str
    build: Build = UNSET


class ChangeRefusedData(_Data, frozen=True):
    """An approver rejected a change, or it did not fit when it was to be carried out."""

    action: str
    change: str
    reason: Text
    build: Build = UNSET


class PingData(_Data, frozen=True):
    """No data: a test of a webhook."""


Data = (
    PublishedData
    | RolledOutData
    | HaltedData
    | ExpiringData
    | ChangeWaitingData
    | ChangeRefusedData
    | PingData
)
_TYPES: dict[type[_Data], EventType] = {
    PublishedData: EventType.PUBLISHED,
    RolledOutData: EventType.ROLLED_OUT,
    HaltedData: EventType.HALTED,
    ExpiringData: EventType.EXPIRING,
    ChangeWaitingData: EventType.CHANGE_WAITING,
    ChangeRefusedData: EventType.CHANGE_REFUSED,
    PingData: EventType.PING,
}


class Event(msgspec.Struct, frozen=True):
    """An event at `time` (epoch seconds); `id` stays the same when it is sent again.

    Events contain no names of people, since they go to third parties' servers.
    """

    id: str
    type: EventType
    time: Integer
    subject: str
    data: Data


def make_event(data: Data, *, subject: str, time: int, occasion: str) -> Event:
    """Return the event of `data` about `subject`.

    `occasion` distinguishes the event from others of the same type and subject. The id depends on
    these three, so an event that is detected twice is sent once.
    """
    kind = _TYPES[type(data)]
    digest = hashlib.sha256(f"{kind}\0{subject}\0{occasion}".encode()).hexdigest()
    return Event(f"evt_{digest[:32]}", kind, time, subject, data)


def encode_event(event: Event) -> bytes:
    """Return the event as canonical JSON, which is signed and sent."""
    return encode_canonical_json(msgspec.to_builtins(event))


PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification of Standard Webhooks requires 24 to 64


def make_secret(entropy: Callable[[int], bytes]) -> str:
    """Return a new secret in its text form: `whsec_` and base64."""
    return PREFIX + base64.b64encode(entropy(SECRET_BYTES)).decode()


def sign_message(
    secrets: Sequence[str], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers that sign `body`; `timestamp` is the attempt's, in epoch seconds.

    There is one signature per secret, the newest secret first. A receiver accepts a message if its
    own secret verifies one of them. Raises FormatError for a malformed secret, and for an id with a
    full stop, since the signed text is `ID.TIME.BODY`.
    """
    if "." in message_id:
        raise FormatError("a message's id has a full stop.")
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_sign(secret, signed) for secret in secrets),
    }


def _sign(secret: str, signed: bytes) -> str:
    if not secret.startswith(PREFIX):
        raise FormatError(f"a webhook's secret does not begin with {PREFIX}.")
    key = decode_base64(secret.removeprefix(PREFIX))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
