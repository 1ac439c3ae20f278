"""Which whole heads are refused without a complete parser: those that every reader reads alike.

Pure. Whatever this cannot read, and all that is about framing, is left to others.
"""

import re
from http import HTTPStatus

from server.device.answer import refusal
from server.device.documents import encode_fields
from server.device.gate import GateMode, Reason, Refused, check_request
from server.device.heads import LONGEST, Planned

_HEAD = re.compile(
    rb"(GET|HEAD) (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]{1,64}: [ -~]*+\r\n){1,40}+)\r\n"
)
_FRAMING = re.compile(
    rb"^(?:connection: (?!(?:keep-alive|close)\r)"
    rb"|(?:content-length|expect|http2-settings|transfer-encoding|upgrade): )",
    re.IGNORECASE | re.MULTILINE,
)
# What no parser takes twice; of others only a parser can tell what it does with two of them.
_SINGLE = frozenset(
    {
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"host",
        b"max-forwards",
        b"server",
        b"user-agent",
    }
)
_ANSWERS = {
    reason: (encode_fields(answer.headers), answer.body)
    for reason, answer in ((reason, refusal(reason)) for reason in Reason)
}


def plan_refusal(head: bytes, mode: GateMode) -> Planned | None:
    """Return the answer to a whole head that the gate refuses; None: others decide.

    `head` ends with its empty line.
    """
    match = _HEAD.fullmatch(head)
    if match is None or len(head) > LONGEST or _FRAMING.search(match[3]) is not None:
        return None
    lines = (line.partition(b": ") for line in match[3].split(b"\r\n")[:-1])
    headers = [(name, value.strip(b" ")) for name, _, value in lines]
    names = [name.lower() for name, _ in headers]
    if len(set(names)) != len(names):
        is_clear = any(names.count(name) > 1 for name in _SINGLE)
        return _answer(Reason.MALFORMED) if is_clear else None
    if b"host" not in names:
        return None
    try:
        check_request(match[1].decode(), match[2].decode(), (1, 1), headers, mode)
    except Refused as refused:
        return _answer(refused.reason, is_head=match[1] == b"HEAD")
    return None


def _answer(reason: Reason, *, is_head: bool = False) -> Planned:
    fields, body = _ANSWERS[reason]
    return HTTPStatus.BAD_REQUEST.value, fields if is_head else fields + body, True, reason
