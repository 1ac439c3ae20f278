"""A bundle on its way to a server: the octets of its files, and where its blobs lie."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.core.bundle import MAX_BUNDLE, decode_bundle
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from signer.bundle_writer import Blob, describe_bundle
from signer.errors import SignerError, refusing


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a submission says: `bundle.json`, the role files in its list's order, blobs."""

    id: str
    bundle: bytes
    roles: tuple[bytes, ...]
    blobs: tuple[Blob, ...]

    @property
    def length(self) -> int:
        """Octets of what `pieces` gives."""
        return len(self.bundle) + sum(map(len, self.roles))

    def pieces(self) -> Iterator[bytes]:
        """Give the body of docs/FORMATS.md section 6 by which it is handed in."""
        yield self.bundle
        yield from self.roles


def load_outgoing(folder: Path) -> Outgoing:
    """Read a bundle that `--out` made; raises SignerError for a folder that is none."""
    data = _read(folder / "bundle.json", MAX_BUNDLE)
    with refusing(SignerError):
        bundle = decode_bundle(data)
    roles = []
    for role in bundle.roles:
        name = metadata_name(role.name, role.version)
        octets = _read(folder / "metadata" / name, metadata_limit(role.name))
        if hashlib.sha256(octets).hexdigest() != role.sha256:
            raise SignerError(f"{folder / 'metadata' / name} is not the file that was signed.")
        roles.append(octets)
    blobs = [Blob(folder / "blobs" / b.sha256, b.length, b.sha256) for b in bundle.blobs]
    return Outgoing(hashlib.sha256(data).hexdigest(), data, tuple(roles), tuple(blobs))


def make_outgoing(roles: Mapping[tuple[str, int], bytes], blobs: Sequence[Blob]) -> Outgoing:
    """Return a bundle that lies nowhere: octets by role and version, blobs where they are."""
    bundle_id, data = describe_bundle(roles, blobs)
    files = tuple(octets for _, octets in sorted(roles.items()))
    distinct = {blob.sha256: blob for blob in blobs}
    return Outgoing(bundle_id, data, files, tuple(distinct.values()))


def _read(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise SignerError(f"{path} is not there; name a folder that `--out` has made.")
    with path.open("rb") as file:
        octets = file.read(limit + 1)
    if len(octets) > limit:
        raise SignerError(f"{path} has more than {limit} octets.")
    return octets
