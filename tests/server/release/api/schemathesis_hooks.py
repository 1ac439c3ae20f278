"""What Schemathesis is told before it runs: how octets of an upload are sent."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def send_octets(_context, value):
    """Send octets as they are, and what else was thought of as its text."""
    if isinstance(value, bytes):
        return value
    return value.data if hasattr(value, "data") else str(value).encode(errors="replace")
