"""Logging with a closed list of fields, also of errors and signals of a program's event loop.

An event can have only the fields listed here. No field holds an address, a header, a path from a
client, or any other part of a request.
"""

import asyncio
import logging
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "change",
        "channel",
        "error",
        "host",
        "incident",
        "operation",
        "port",
        "reason",
        "removed",
        "renewed",
        "snapshot",
        "steps",
        "submission",
        "version",
        "webhook",
        "worker",
    }
)


class UnlistedFieldError(RuntimeError):
    """A log call has a field that is not on the list: a bug, which tests of that code find."""


def check_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Raise UnlistedFieldError for an event with any other field."""
    if unlisted := event.keys() - FIELDS:
        raise UnlistedFieldError(f"{min(unlisted)} is not a field of the log")
    return event


def describe_unexpected(context: Mapping[str, object]) -> str:
    """Return the class and the source line of an error reported to a loop's exception handler.

    The report itself is not logged: it quotes arguments of callbacks, which can hold a client's
    bytes.
    """
    error = context.get("exception")
    if not isinstance(error, BaseException):
        return "an unexpected error in the event loop."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"an unexpected {type(error).__name__}{place}."


def watch_loop() -> asyncio.Event:
    """Log unexpected errors of the running loop; return an event that SIGTERM and SIGINT set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _loop, context: structlog.get_logger().error(
            "alarm", error=describe_unexpected(context)
        )
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


def configure_logging(stream: TextIO | None = None) -> None:
    """Write events to `stream`, by default standard error, as one JSON object a line."""
    structlog.configure(
        processors=[
            check_fields,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
