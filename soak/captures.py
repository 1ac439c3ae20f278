"""A fuzz target: a capture of any bytes gives an audit or a CaptureError of one line."""

import io
import json
from datetime import UTC, datetime

from defusedxml.ElementTree import fromstring

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.loading import decode_capture
from client_sim.lab.captures.rendering import (
    audit_to_dict,
    render_audit_junit,
    render_audit_sarif,
    render_page,
)
from client_sim.lab.captures.tshark import list_randoms
from client_sim.lab.errors import CaptureError
from client_sim.pages.page import Origin

HOST = b"updates.hening.example:8080"
ORIGIN = Origin(datetime(2026, 1, 1, tzinfo=UTC), "the program", "the machine")


def check_capture(data: bytes) -> None:
    """Read, audit and render a capture; raise all errors except CaptureError."""
    try:
        capture, secrets = decode_capture(io.BytesIO(data), len(data))
    except CaptureError as error:
        if "\n" in str(error):
            raise AssertionError(f"{error} is more than a sentence") from error
        return
    for keys in secrets:
        list_randoms(keys)
    audit = audit_capture(capture, HOST, None, personal=True)
    forms = (
        json.dumps(audit_to_dict(audit, personal=True)),
        render_page(audit, ORIGIN, personal=True),
        render_audit_junit(audit, "capture"),
        render_audit_sarif(audit, "capture"),
    )
    fromstring(forms[2])
    shown = "".join(forms)
    if any(not sign.isprintable() and sign != "\n" for sign in shown):
        raise AssertionError("a stranger's bytes are shown as they are")
    audit_capture(capture, None, None)
