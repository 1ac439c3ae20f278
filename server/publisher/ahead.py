"""What is public and exceeds a limit: a time or counter that is ahead, and the keys that signed it.

Nothing that this version publishes does; what an earlier version published, or another hand put
into the public tree, may. Source: docs/FORMATS.md section 16.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets, Timestamp

from server.core.errors import HeningError
from server.core.limits import ONLINE_LIFETIMES, SKEW, TIMESTAMP_LIFETIME, find_excess
from server.core.metadata import decode_role, metadata_limit
from server.core.names import is_latest, metadata_name
from server.publisher.published import Published
from server.storage.bounded import read_bounded

_LIFETIMES = {**ONLINE_LIFETIMES, "timestamp": TIMESTAMP_LIFETIME}
_LISTED = 3  # of a role's excesses: a wrong one is often followed by others


@dataclass(frozen=True, slots=True)
class Ahead:
    """What of a role's published version is ahead, in a sentence that says what to do."""

    role: str
    sentence: str


@dataclass(slots=True)
class AheadFinder:
    """Finds what is ahead in the tree below `public`.

    A version that exceeded nothing exceeds nothing later, so that it is looked at once.
    """

    public: Path
    _sound: set[tuple[str, int]] = field(default_factory=set)

    def find(self, published: Published, now: datetime) -> list[Ahead]:
        """Return what is ahead at `now`; reads only the files of roles that are."""
        return [*self._find_online(published, now), *self._find_offline(published, now)]

    def _find_offline(self, published: Published, now: datetime) -> Iterator[Ahead]:
        seen = set()
        for name, role in {"targets": published.targets, **published.roles}.items():
            if is_latest(name):
                continue
            seen.add((name, role.version))
            if (name, role.version) in self._sound:
                continue
            excess = find_excess(name, role, published.root, now)
            if not excess:
                self._sound.add((name, role.version))
                continue
            command = "renew" if name == "targets" else "reset"  # of targets there is no reset
            more = f" {len(excess) - _LISTED} more like these." if len(excess) > _LISTED else ""
            yield Ahead(
                name,
                f"{' '.join(excess[:_LISTED])}{more}"
                f" {self._tell_signers(name, role.version)} Phones refuse it: take it back with"
                f" `hening-signer ceremony {command} {name}`, and with other keys where those were"
                " stolen.",
            )
        self._sound &= seen

    def _find_online(self, published: Published, now: datetime) -> Iterator[Ahead]:
        latest = {name: role for name, role in published.roles.items() if is_latest(name)}
        online: dict[str, Timestamp | Snapshot | Targets] = {
            "timestamp": published.timestamp,
            "snapshot": published.snapshot,
            **latest,
        }
        for name, role in online.items():
            if role.expires > now + _LIFETIMES.get(name, ONLINE_LIFETIMES["latest"]) + SKEW:
                yield Ahead(
                    name,
                    f"{name} {role.version} expires on {role.expires:%Y-%m-%d}, so a clock that was"
                    f" ahead signed it, or a thief. {self._tell_signers(name, role.version)}"
                    " Change that key (`hening-server keys new`).",
                )

    def _tell_signers(self, name: str, version: int) -> str:
        path = self.public / "metadata" / metadata_name(name, version)
        try:
            metadata = decode_role(name, read_bounded(path, metadata_limit(name)))
        except (HeningError, OSError):
            return "Its signatures cannot be read."
        keys = [keyid[:16] for keyid in metadata.signatures]
        return f"It was signed by the key{'s' if len(keys) > 1 else ''} {', '.join(keys)}."
