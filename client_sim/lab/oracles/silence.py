"""Between polls nothing leaves."""

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Observation


def judge_silence(observation: Observation) -> tuple[Finding, ...]:
    """Find what leaves outside a poll, whatever it says."""
    return tuple(
        Finding(
            where=f"{d.channel.value}, {d.phase}",
            explanation="nothing may leave between polls",
            data=d.data,
            offset=0,
            length=len(d.data),
            channel=d.channel.value,
            field="time",
        )
        for d in observation.departures
        if d.channel not in {Channel.CRASH, Channel.DUE} and not d.phase.startswith("poll ")
    )
