"""Checks a value on server and phone, which implement FORMATS section 15 separately.

The signer uses the server's code.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from client_sim.device.errors import ContentError
from server.core.errors import FormatError


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in both implementations: functions that raise FormatError, or ContentError."""

    server: Callable[..., object]
    phone: Callable[..., object]

    def judge(self, *arguments) -> tuple[str, str] | None:
        """Return both refusals, None if both accept; AssertionError if they disagree."""
        server = _ask(self.server, FormatError, arguments)
        phone = _ask(self.phone, ContentError, arguments)
        assert (server is None) == (phone is None), (arguments, server, phone)
        return None if server is None or phone is None else (server, phone)

    def accepts(self, *arguments) -> bool:
        """Return whether both accept the arguments; AssertionError if they disagree."""
        return self.judge(*arguments) is None

    def check_refused(self, *arguments, server: str, phone: str = "") -> None:
        """Check that both refuse the arguments with messages that match these patterns."""
        messages = self.judge(*arguments)
        assert messages is not None, f"accepted: {str(arguments)[:200]}"
        for pattern, message in zip((server, phone), messages, strict=True):
            assert re.search(pattern, message), (pattern, message)


def _ask(check: Callable[..., object], error: type[Exception], arguments) -> str | None:
    try:
        check(*arguments)
    except error as refusal:
        return str(refusal)
    return None
