"""Errors of the readers of dialects."""

from client_sim.errors import SimulatorError


class DialectError(SimulatorError):
    """An answer that the app refuses; the message says what it would have needed."""


class AwayError(DialectError):
    """No answer came: the network failed."""
