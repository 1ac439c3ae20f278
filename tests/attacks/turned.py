"""The three programs with their clock turned: real processes, and only what they read differs."""

import time
from datetime import UTC, datetime, timedelta

from tuf.api.metadata import Metadata

from demo.stage import PATIENCE_SECONDS, Stage, StageError

_PROGRAM = """
from datetime import UTC, datetime, timedelta
class Turned:
    @staticmethod
    def now(zone):
        return datetime.now(zone) + timedelta(seconds={ahead})
    @staticmethod
    def time():
        return Turned.now(UTC).timestamp()
import {place}
{place}.{name} = Turned
"""
# The one module of each program that reads the clock, and what it reads it from.
_CLOCKS = {
    "server.cli": ("server.cli.options", "datetime"),
    "signer.cli": ("signer.cli", "datetime"),
    "client_sim.cli": ("client_sim.clock", "time"),
}


class TurnedStage(Stage):
    """A stage whose programs have a clock that is `ahead` seconds ahead; it may be changed.

    A server that runs keeps the clock that it was started with. One that is started more than
    twelve hours after the last signature needs `hening-server clock confirm` first.
    """

    ahead = 0.0

    def start_server(self, *options, before="") -> None:
        """Start the server with its clock turned."""
        super().start_server(*options, before=self._turn("server.cli") + before)

    def wait_until_signed(self) -> None:
        """Wait until the timestamp that is published has not expired by this clock."""
        file = self.server_state / "public" / "metadata" / "timestamp.json"
        now = datetime.now(UTC) + timedelta(seconds=self.ahead)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if Metadata.from_bytes(file.read_bytes()).signed.expires > now:
                return
            time.sleep(0.05)
        raise StageError("the server did not sign its timestamp again; see server.log")

    def _run(self, module, name, *arguments, before=""):
        return super()._run(module, name, *arguments, before=self._turn(module) + before)

    def _turn(self, module):
        place, name = _CLOCKS[module]
        return _PROGRAM.format(ahead=self.ahead, place=place, name=name)
