"""What the life of a phone raises.

LifeError    what should happen cannot happen to this phone
"""

from client_sim.errors import SimulatorError


class LifeError(SimulatorError):
    """Something cannot happen to this phone; the message says what to do."""
