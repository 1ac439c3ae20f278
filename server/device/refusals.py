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
    names = {name.lower() for name, _ in headers}
    if b"host" not in names or len(names) != len(headers):
        return None  # some parsers have a word of their own for that
    try:
        check_request(match[1].decode(), match[2].decode(), (1, 1), headers, mode)
    except Refused as refused:
        fields, body = _ANSWERS[refused.reason]
        octets = fields if match[1] == b"HEAD" else fields + body
        return HTTPStatus.BAD_REQUEST.value, octets, True, refused.reason
    return None
