"""Errors of the simulated Updater apps."""

from client_sim.errors import SimulatorError


class DialectError(SimulatorError):
    """The app refuses an answer; the message says what the app needs."""


class AwayError(DialectError):
    """No answer came: the network failed."""
