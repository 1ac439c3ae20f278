"""The results of a run, and the problems in them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from soak.faults import Window
from soak.load import Failure
from soak.memory import MINUTE, Slope
from soak.server_process import Complaint

POOLED = 8  # additional descriptors that connection pools may have opened


@dataclass(frozen=True, slots=True)
class Run:
    """The observations of a run; times are in seconds, sizes in bytes.

    `counts` are the results of clients by kind. `descriptors` were open before and after the load.
    `still_open` are gauges of the server after all clients have ended. `status` is its exit status.
    """

    seconds: float
    counts: Mapping[str, Mapping[str, int]]
    windows: Sequence[Window]
    failures: Sequence[Failure]
    complaints: Sequence[Complaint]
    published: int
    unpublished: Sequence[str]
    slopes: Mapping[str, Slope]
    descriptors: tuple[int, int]
    still_open: Mapping[str, float]
    fuzzed: Mapping[str, str]
    status: int | None

    @property
    def problems(self) -> list[str]:
        """The reasons why the run failed, one sentence each."""
        return list(
            chain(
                self._unexplained(),
                (f"A publication failed: {each}" for each in self.unpublished),
                (
                    f"{name} grows by {slope.size / 1e6:.2f} MB a minute."
                    for name, slope in self.slopes.items()
                    if not slope.is_flat
                ),
                (
                    f"{name} is {number:.0f} after all clients have ended."
                    for name, number in self.still_open.items()
                    if number
                ),
                (
                    f"Fuzzing {name}: {end}"
                    for name, end in self.fuzzed.items()
                    if end != "no crash"
                ),
                self._ending(),
            )
        )

    def _unexplained(self) -> list[str]:
        failed = [
            f"{each.kind}: {each.word} at {each.begin:.1f} to {each.end:.1f} s, and no fault."
            for each in self.failures
            if not any(window.explains_failure(each) for window in self.windows)
        ]
        said = [
            f"The log says at {each.at:.1f} s, and there was no fault: {each.line}"
            for each in self.complaints
            if not any(window.explains_complaint(each) for window in self.windows)
        ]
        return failed + said

    def _ending(self) -> list[str]:
        before, after = self.descriptors
        found = []
        if after > before + POOLED:
            found.append(f"{after} descriptors are open, {before} were before the load.")
        if self.status != 0:
            found.append(f"The server ended with status {self.status}.")
        return found

    def as_json(self) -> dict[str, object]:
        """Return the run as JSON values."""
        faults = [
            {"fault": each.fault.name, "begin": each.begin, "end": each.end}
            for each in self.windows
        ]
        return {
            "seconds": self.seconds,
            "requests": self.counts,
            "faults": faults,
            "failures": len(self.failures),
            "complaints": len(self.complaints),
            "published": self.published,
            "octets_a_minute": {
                name: {"slope": each.size, "error": each.error, "flat": each.is_flat}
                for name, each in self.slopes.items()
            },
            "descriptors": {"before": self.descriptors[0], "after": self.descriptors[1]},
            "fuzzed": self.fuzzed,
            "minutes": self.seconds / MINUTE,
            "problems": self.problems,
        }
