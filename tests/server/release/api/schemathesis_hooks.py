"""Hooks of Schemathesis: sending raw bytes, and which operation gets Idempotency-Key."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream", "application/vnd.hening.submission")
def send_bytes(_context, value):
    """Send bytes as they are, and other values as their text."""
    if isinstance(value, bytes):
        return value
    return value.data if hasattr(value, "data") else str(value).encode(errors="replace")


@schemathesis.hook
def before_load_schema(_context, raw_schema):
    """Keep Idempotency-Key for one operation only: reused keys would be refused elsewhere."""
    operations = [each for path in raw_schema["paths"].values() for each in path.values()]
    taking = [operation for operation in operations if any(map(is_key, operation["parameters"]))]
    for operation in taking[1:]:
        others = [each for each in operation["parameters"] if not is_key(each)]
        operation["parameters"] = others


def is_key(parameter):
    """Return whether a parameter is Idempotency-Key."""
    return parameter["name"] == "Idempotency-Key"
