"""How the phones of a run ask."""

from dataclasses import dataclass

from client_sim.fleet.twins import Twinning


@dataclass(frozen=True, slots=True)
class Manners:
    """How the phones of a run ask.

    `host` as `Host` has it, `begin` of the simulated time in epoch seconds and its `length`,
    `connections` open at once at most. `keep` keeps connections from poll to poll and sends the
    questions of several polls together, which phones do not. Of the phones that install every
    `download_every`th fetches its package. At most `polls_per_second` are begun, where that is
    not 0. `twinning` says which of them the real update engine follows.
    """

    host: str
    begin: float
    length: float
    connections: int = 128
    keep: bool = False
    download_every: int = 1
    polls_per_second: float = 0.0
    twinning: Twinning | None = None
