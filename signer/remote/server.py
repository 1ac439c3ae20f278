"""A server's API for the submitter: retries while the server does not answer, stops at a refusal.

A request is retried after a lost connection, 429 and 5xx, with pauses that double, as long as there
is progress in between. Each request used here may be repeated.
"""

import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import h11

from signer.remote.connection import Answer, Connection, ServerRefusal, ServerUnavailableError

PREFIX = "/api/v1"
TRIES = 8  # in a row, without progress: two minutes in all
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_NO_ROOM = 507


class Server:
    """Sends requests over `connection`; `pause(seconds)` waits."""

    def __init__(self, connection: Connection, name: str, pause: Callable[[float], None]) -> None:
        self.name = name
        self._connection = connection
        self._pause = pause
        self._failures = 0

    def progressed(self) -> None:
        """Note progress: the next failure counts as the first one again."""
        self._failures = 0

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        expected: Iterable[int] = (),
    ) -> Answer:
        """Return an answer of 2xx or of an `expected` status.

        Raises ServerRefusal for any other 4xx, ServerUnavailableError when the tries are used up.
        """
        while True:
            pieces = (body,) if body else ()
            answer = self.attempt(method, path, headers or {}, pieces, len(body), expected)
            if answer is not None:
                return answer

    def attempt(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        length: int,
        expected: Iterable[int] = (),
    ) -> Answer | None:
        """Send a request once; return None, after a pause, if it should be retried."""
        try:
            answer = self._connection.ask(method, PREFIX + path, headers, body, length)
        except ssl.SSLCertVerificationError as error:
            raise ServerUnavailableError(
                f"The certificate of {self.name} does not hold ({error.verify_message}); if it is"
                " from an authority of your own, name that with --ca."
            ) from error
        except h11.RemoteProtocolError:
            self._wait("it does not speak HTTP/1.1", 0)
            return None
        except OSError as error:
            self._wait(str(error.strerror or error), 0)
            return None
        if 200 <= answer.status < 300 or answer.status in set(expected):
            return answer
        detail = _detail(answer)
        if answer.status == _NO_ROOM:
            raise ServerUnavailableError(f"{self.name} has no room: {detail}")
        if answer.status == 429 or answer.status >= 500:
            self._wait(f"it answers {answer.status}, {detail}", _retry_after(answer))
            return None
        raise ServerRefusal(f"{self.name} refuses: {detail}")

    def wait(self, reason: str) -> None:
        """Pause before a retry that the caller decides on."""
        self._wait(reason, 0)

    def _wait(self, reason: str, at_least: float) -> None:
        self._failures += 1
        if self._failures >= TRIES:
            raise ServerUnavailableError(
                f"{self.name} does not answer ({reason.rstrip('.')}); run the same command again"
                " later, it goes on where this one ended."
            )
        pause = min(_FIRST_PAUSE * 2 ** (self._failures - 1), _LONGEST_PAUSE)
        self._pause(min(max(pause, at_least), _LONGEST_PAUSE))


def decode_answer(answer: Answer, name: str) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ServerUnavailableError(
            f"{name} does not answer as a hening server does; look at --to."
        )
    return value


def _detail(answer: Answer) -> str:
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, TypeError, KeyError):
        return f"status {answer.status}."
    text = detail if isinstance(detail, str) else f"status {answer.status}."
    return "".join(c if c.isprintable() else "?" for c in text[:2000])


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
