"""The order of requests on one connection: a poll, then perhaps an installation.

A poll is `root` with growing versions, `timestamp`, then at most `snapshot`, the roles in their
order, and the proof of `latest` if `latest` was fetched; of a split `latest` one part stands in its
place. It may end early, when an answer was
refused. An installation is the codename role, its proof, and blocks of one package; or only
blocks, when a download goes on.
"""

from typing import Final

from client_sim.lab.oracles.language import BLOCK

_ROLES: Final = (b"targets", b"latest", b"tables", b"content")

# What may follow what; "" is the start of a connection.
_NEXT: Final = {
    "": {"root", "codename", "package"},
    "root": {"root", "timestamp"},
    # A role without a snapshot: an earlier poll broke off between the two.
    "timestamp": {"snapshot", "role", "part", "codename", "package"},
    "snapshot": {"role", "part", "codename", "package"},
    "role": {"role", "part", "proof-latest", "proof-part", "codename", "package"},
    "part": {"role", "proof-part", "codename", "package"},
    "proof-latest": {"codename", "package"},
    "proof-part": {"codename", "package"},
    "codename": {"proof-codename"},
    "proof-codename": {"package"},
    "package": {"package"},
}


class Order:
    """Follows the requests of one connection."""

    def __init__(self) -> None:
        self._last = ""
        self._root = 0
        self._roles: list[bytes] = []
        self._versions: dict[bytes, bytes] = {}
        self._proven = False
        self._codename: bytes | None = None
        self._package: tuple[bytes, int, int] | None = None

    def complaint(self, rule: str, parts: dict[str, bytes], path: bytes) -> str | None:
        """Take the next request; say why it may not come now, or None when it may."""
        before, self._last = self._last, rule
        if rule not in _NEXT[before]:
            return f"{rule} may not follow {before or 'the start of a connection'}"
        match rule:
            case "root":
                return self._root_complaint(int(parts["version"]))
            case "role":
                return self._role_complaint(parts["role"], parts["role"], parts["version"])
            case "part":
                return self._role_complaint(b"latest", parts["part"], parts["version"])
            case "proof-latest" | "proof-part":
                self._proven = True
                return self._proof_complaint(parts.get("part", b"latest"), parts["version"])
            case "codename":
                self._codename = parts["codename"]
                self._versions[parts["codename"]] = parts["version"]
                return self._unproven_complaint()
            case "proof-codename":
                return self._proof_complaint(parts["codename"], parts["version"])
            case "package":
                return self._unproven_complaint() or self._package_complaint(parts, path)
            case _:
                pass
        return None

    def _root_complaint(self, version: int) -> str | None:
        before, self._root = self._root, version
        if version < 2:
            return "a phone holds version 1 of root or a later one"
        if before and version != before + 1:
            return "root versions are asked for one by one"
        return None

    def _role_complaint(self, place: bytes, role: bytes, version: bytes) -> str | None:
        before = self._roles[-1:]
        self._roles.append(place)
        self._versions[role] = version
        if before and _ROLES.index(place) <= _ROLES.index(before[0]):
            return f"{role.decode()} may not follow {before[0].decode()}"
        return None

    def _proof_complaint(self, role: bytes, version: bytes) -> str | None:
        if self._versions.get(role) != version:
            return f"no version {version.decode()} of {role.decode()} was fetched to be proven"
        return None

    def _unproven_complaint(self) -> str | None:
        if b"latest" in self._roles and not self._proven:
            return "an installation may not follow a latest that was not proven"
        return None

    def _package_complaint(self, parts: dict[str, bytes], path: bytes) -> str | None:
        first, last = int(parts["first"]), int(parts["last"])
        before, self._package = self._package, (path, first, last)
        if first % BLOCK or not first <= last < first + BLOCK:
            return "a block starts at a multiple of 8 MiB and is no longer than that"
        if self._codename not in {None, parts["codename"]}:
            return "the package is of another model than the codename role"
        if before and before != (path, first - BLOCK, first - 1):
            return "blocks of one package are asked for in ascending order, the last one shorter"
        return None
