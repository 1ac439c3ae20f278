"""The result of one run of a load, and the interval in which it was measured."""

import resource
import time
from collections.abc import Sequence

import msgspec

from benchmarks.device.cpu import cpu_seconds, machine_seconds


class Measured(msgspec.Struct, frozen=True):
    """The result of one run: the work done, its time and its cost.

    `done`: answers, or bytes of downloads. `failed`: requests without a correct answer. `cpu`: CPU
    seconds of the server. `other`: cores used on average by processes of neither server nor load.
    `latencies`: milliseconds by name (`p50`, `p99`, `p999`, `max`), if measured. `extra`: other
    values of a load.
    """

    done: int
    failed: int
    seconds: float
    cpu: float
    other: float
    latencies: dict[str, float] = {}
    extra: dict[str, float] = {}

    @property
    def rate(self) -> float:
        """The work done per second."""
        return self.done / self.seconds

    @property
    def per_cpu(self) -> float:
        """The work done per CPU second of the server."""
        return self.done / self.cpu if self.cpu else 0.0

    @property
    def cores(self) -> float:
        """The cores that the server used on average."""
        return self.cpu / self.seconds


class Window:
    """Measures from its creation to `close`; `server` and `load` are process ids.

    The CPU of this process, and of the children that it waited for, also counts as the load's.
    """

    def __init__(self, server: Sequence[int], load: Sequence[int] = ()) -> None:
        self._server = server
        self._load = load
        self._begin = self._look()

    def close(
        self,
        done: int,
        failed: int = 0,
        *,
        latencies: dict[str, float] | None = None,
        extra: dict[str, float] | None = None,
    ) -> Measured:
        """Return the result since the creation, with `done` and `failed` as given."""
        now, cpu, load, machine = (
            end - begin for end, begin in zip(self._look(), self._begin, strict=True)
        )
        other = max(0.0, machine - cpu - load) / now
        return Measured(done, failed, now, cpu, other, latencies or {}, extra or {})

    def _look(self) -> tuple[float, float, float, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = time.process_time() + children.ru_utime + children.ru_stime
        own += cpu_seconds(self._load)
        return time.perf_counter(), cpu_seconds(self._server), own, machine_seconds()


def percentiles(samples: list[float]) -> dict[str, float]:
    """Return percentiles, in milliseconds, of latencies in seconds."""
    if not samples:
        return {}
    ordered = sorted(samples)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    return {"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": ordered[-1] * 1000}
