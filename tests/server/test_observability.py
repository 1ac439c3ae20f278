"""The log has a closed list of fields."""

import ast
import asyncio
import io
import json
from pathlib import Path

import pytest
import structlog

from server.observability import FIELDS, UnlistedFieldError, configure_logging, describe_unexpected


@pytest.fixture
def stream():
    """Yield a stream that receives the log; restore the configuration afterwards."""
    before = structlog.get_config()
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    structlog.configure(**before)


def test_log_line_is_json(stream):
    """An event is one JSON object with the given fields."""
    structlog.get_logger().info("serving", version=3)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["version"], line["level"]) == ("serving", 3, "info")
    assert set(line) <= FIELDS


@pytest.mark.parametrize("field", ["remote", "path", "headers", "user_agent", "url", "exc_info"])
def test_unlisted_field_raises(stream, field):
    """Logging a field that is not on the list raises, so that no request data can be logged."""
    with pytest.raises(UnlistedFieldError, match=f"{field} is not a field"):
        structlog.get_logger().error("anything", **{field: "x"})
    assert stream.getvalue() == ""


def test_list_of_fields():
    """The list of fields is exactly this one, and has no field for request data."""
    assert sorted(FIELDS) == [
        "change",
        *("channel", "error", "event", "host", "incident", "level", "operation", "port"),
        *(
            "reason",
            "removed",
            "renewed",
            "snapshot",
            "steps",
            "submission",
            "timestamp",
            "version",
        ),
        *("webhook", "worker"),
    ]


def test_log_calls_use_listed_fields():
    """Every keyword of every log call in the source is on the list."""
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    found = set()
    for path in (Path(__file__).parents[2] / "server").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "log." in text else ():
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if (
                    level in levels
                ):
                    found |= {keyword.arg for keyword in node.keywords}
    assert {"error", "webhook"} <= found <= FIELDS


async def test_uncaught_exception_is_logged_without_data():
    """An uncaught exception is logged with its type and place, without data from a client."""
    messages = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: messages.append(describe_unexpected(context)))
    loop.call_soon({}.__getitem__, "canary")
    loop.call_soon(fail, b"canary")
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": "canary"})
    line = fail.__code__.co_firstlineno + 2
    assert messages[0].startswith("an unexpected KeyError at events.py:")
    assert messages[1] == f"an unexpected ValueError at test_observability.py:{line}."
    assert messages[2] == "an unexpected error in the event loop."


def fail(data):
    """Raise an error whose text contains the data."""
    raise ValueError(data)
