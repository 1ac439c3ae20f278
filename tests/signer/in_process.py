"""Runs the steps of a quickstart in this process, and can interrupt them."""

import contextlib
import io
import os

from server.cli import cli as server_cli
from signer.cli import main
from signer.cli.runtime import Runtime
from signer.errors import CeremonyError, Interrupted


class InProcess:
    """Runs both programs in this process; raises `Interrupted` after `budget` runs."""

    def __init__(self, now, passphrase, budget=99):
        self.now, self.passphrase, self.budget = now, passphrase, budget
        self.done = []

    def __call__(self, program, *words, signs=False):
        """Run a program; only one that `signs` gets the passphrase."""
        if not self.budget:
            raise Interrupted
        self.budget -= 1
        arguments = [str(word) for word in words]
        environment = {b"HENING_SIGNER_PASSPHRASE": self.passphrase} if signs else {}
        with contextlib.redirect_stdout(io.StringIO()):
            if program == "hening-server":
                server_cli.main(arguments, standalone_mode=False)
            elif main(arguments, Runtime(self.now, os.urandom, environment)):
                raise CeremonyError(f"{program} {words[0]} failed.")
        self.done.append((program, *arguments))
