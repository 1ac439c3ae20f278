"""A team's release policy: `policy.toml` in the working folder.

    # Locales that every changelog must have.
    required_locales = ["en", "id"]
    # How many builds `release prune` keeps in each channel: 1 to 1000.
    keep_builds = 20
    # For how many days a package is served after `release withdraw --drain`: 0 to 365.
    drain_days = 7
    # Whether each package needs a report of `hening-device prove`.
    require_proof = false

    # Fingerprints of the builds that phones left the factory with, by model. Their packages need
    # not be listed, and incrementals may start from them.
    [factory_builds]
    armani = ["Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"]

The numbers and `false` are the defaults; without the file, or without a key, there is no required
locale and no factory build. An unknown key is an error, so that a misspelt key is not ignored.
"""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from server.core.errors import HeningError
from server.core.names import Locale, check_codename
from server.core.release import Fingerprint
from signer.errors import WorkFolderError

POLICY_FILE = "policy.toml"
MAX_POLICY = 64 * 1024


class TeamPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A team's policy; the module's docstring explains each member."""

    required_locales: Annotated[list[Locale], msgspec.Meta(max_length=64)] = []
    keep_builds: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    drain_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 7
    require_proof: bool = False
    factory_builds: dict[str, list[Fingerprint]] = {}

    def factory_builds_of(self, codename: str) -> frozenset[str]:
        """Return the fingerprints of a model's factory builds."""
        return frozenset(self.factory_builds.get(codename, ()))


def decode_policy(data: bytes) -> TeamPolicy:
    """Read the bytes of `policy.toml`; raises WorkFolderError with the reason."""
    if len(data) > MAX_POLICY:
        raise WorkFolderError(f"{POLICY_FILE} has more than {MAX_POLICY} bytes; shorten it.")
    try:
        policy = msgspec.convert(tomllib.loads(data.decode()), TeamPolicy)
    except UnicodeDecodeError as error:
        raise WorkFolderError(f"{POLICY_FILE} is not UTF-8; save it as UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WorkFolderError(f"{POLICY_FILE} is not TOML: {error}; correct it.") from error
    except msgspec.ValidationError as error:
        raise WorkFolderError(f"{POLICY_FILE} is not valid: {error}; correct it.") from error
    for codename in policy.factory_builds:
        try:
            check_codename(codename)
        except HeningError as error:
            raise WorkFolderError(f"{POLICY_FILE} is not valid: {error}") from error
    return policy


def load_policy(folder: Path) -> TeamPolicy:
    """Read the policy of the working folder, or the default if there is no file."""
    path = folder / POLICY_FILE
    if not path.exists():
        return TeamPolicy()
    with path.open("rb") as file:
        return decode_policy(file.read(MAX_POLICY + 1))
