"""A signed repository that exists inside a run, for phones under virtual time (ADR 54)."""

from collections.abc import Sequence
from itertools import product
from typing import Final

from client_sim.lab.servers.contents import Contents, Publication
from client_sim.lab.servers.descriptions import Describer, fingerprint, post_timestamp
from client_sim.lab.servers.packs import SMALL
from client_sim.lab.servers.session import ROOT_EXPIRES, Session, sign_role
from client_sim.lab.servers.signing import Keys
from client_sim.world import BuildFacts, Public

HOST: Final = "updates.hening.example"
_PATCH_LEVELS: Final = ("2024-12-05", "2025-01-05")


class Repository:
    """What signer and server make of some models, regions, channels and kinds of packs.

    It is the same for a seed, and keeps nothing of a run: `serve` makes a server for each.
    """

    def __init__(
        self,
        seed: bytes = b"repository",
        models: Sequence[str] = ("armani", "cancro"),
        regions: Sequence[str] = ("cn", "id"),
        channels: Sequence[str] = ("beta", "stable"),
        kinds: Sequence[str] = SMALL,
    ) -> None:
        self._names = tuple(product(models, regions, channels))
        self._describer = Describer(Keys(seed), models, regions, channels, kinds)
        said, keys = self._describer.describe(Contents(), "root")
        self._root = sign_role(said, 1, ROOT_EXPIRES, keys)

    def publics(self) -> tuple[Public, ...]:
        """Return a phone of each model, region and channel, then one each with an older build."""
        return tuple(self.public(*name, counter) for counter in (1, 0) for name in self._names)

    def public(self, codename: str, region: str, channel: str, counter: int = 1) -> Public:
        """Return the public facts of a phone: it runs a build and trusts the first root."""
        if (codename, region, channel) not in self._names:
            raise ValueError(f"the repository has no {codename}/{region}/{channel}")
        return Public(
            host=HOST,
            port=80,
            tls=False,
            codename=codename,
            region=region,
            channel=channel,
            root=self._root,
            ota_certificate=b"",
            built_at=post_timestamp(counter - 1),
            build=BuildFacts(
                fingerprint=fingerprint(codename, counter),
                incremental=str(counter),
                counter=counter,
                post_timestamp=post_timestamp(counter),
                security_patch_level=_PATCH_LEVELS[counter],
            ),
        )

    def serve(self, history: Sequence[Publication] = ()) -> Session:
        """Make the server of one run, to which the publications of `history` happen."""
        return Session(self._describer, history)
