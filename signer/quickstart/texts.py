"""The files that a quickstart writes, and its final message."""

import shlex
from collections.abc import Iterator

from signer.quickstart.layout import Layout
from signer.release.policy import TeamPolicy


def describe_places(layout: Layout) -> bytes:
    """Return `hening.toml`."""
    folders = {"state": layout.server, "repo": layout.repo, "keys": layout.keys}
    lines = [
        "# Spares --state, --repo, --keys and --out for commands that run here or below.",
        *(f'{name} = "{folder.name}"' for name, folder in folders.items()),
    ]
    return "\n".join([*lines, ""]).encode()


def describe_policy() -> bytes:
    """Return `policy.toml`: each key with its meaning; only `require_proof` is not the default."""
    default = TeamPolicy()
    return f"""\
# Rules for every release. Each line may be changed or left out.

# Locales that every changelog must have, such as ["en", "id"].
required_locales = []
# How many builds of each channel `hening-signer release prune` keeps.
keep_builds = {default.keep_builds}
# For how many days a package is served after `release withdraw --drain`.
drain_days = {default.drain_days}
# Whether each package needs a report of `hening-device prove`, given with --proof.
require_proof = true

# Fingerprints of builds that phones left the factory with: incrementals may start from them.
# [factory_builds]
# armani = ["Brand/armani/armani:14/ID/1.0.0:user/release-keys"]
""".encode()


def describe_result(layout: Layout, *, one_disk: bool) -> Iterator[str]:
    """Yield the lines that say what was made, what it means, and what to do next.

    `one_disk` is whether both root keys are on the same file system.
    """
    out = layout.out
    folders = {
        layout.keys: "your keys, encrypted with your passphrase",
        layout.repo: "what you have signed, and your rules in policy.toml",
        layout.server: "the server's state, with the keys that it signs with itself",
    }
    move = "Both are on one disk now: move it to another" if one_disk else "Keep it on another disk"
    width = max(len(str(folder)) for folder in folders)
    yield f"{out} is ready to sign releases for {layout.model}."
    yield ""
    for folder, what in folders.items():
        yield f"  {folder!s:<{width}}  {what}"
    yield f"  {layout.second}"
    yield f"  {'':<{width}}  the second root key, encrypted with the same passphrase"
    yield f"""
One signature is enough for every role. So a thief of a key file and your
passphrase can sign releases that your phones install. The passphrase is stored
nowhere: if you forget it, no phone takes an update from you again.

If this disk is lost, the second root key can put new keys in the place of all
others. {move}, such as a memory
stick in a drawer.

Before others use your server, run it as a user who cannot read your keys. What
you signed is valid for 90 days, and root for a year: `hening-signer ceremony
expiry` says what has to be renewed.

To require two signatures later, get the public keys of a second person, and
propose this in {out}; both of you sign it:
"""
    yield from (f"  {line}" for line in describe_raise(layout.model))
    yield f"""
Next, with `hening-server run` in a terminal of its own. CERTIFICATE.pem is the
certificate of the key that your build signs its OTA zips with:

  cd {shlex.quote(str(out))}
  hening-server run
  hening-device prove --certificate CERTIFICATE.pem YOUR-OTA.zip
  hening-signer release sign --region id --channel stable \\
      --changelog en='What is new.' --certificate CERTIFICATE.pem \\
      --proof YOUR-OTA.proof.json YOUR-OTA.zip
  hening-server rollout offer {layout.model}/id/stable --share 100%"""


def describe_raise(model: str) -> tuple[str, ...]:
    """Return the command lines that require two signatures, one of them of a second person."""
    roles = ("targets", "tables", model)
    return (
        f"hening-signer keys import root-3.pub {' '.join(f'{role}-2.pub' for role in roles)}",
        "hening-signer ceremony holders --propose two.json --add root-3 \\",
        f"    {' '.join(f'--add {role}-2' for role in roles)} \\",
        "    --threshold root=2 --threshold targets=2 --threshold tables=2 \\",
        f"    --threshold {model}=2",
    )
