"""What commands on key folders share."""

from pathlib import Path

import click

from signer.cli.parameters import CheckedText
from signer.keys.keystore import Keystore
from signer.keys.public_key import check_holder

HOLDER = CheckedText("HOLDER", check_holder)


def open_keystore(folder: Path) -> Keystore:
    """Return a key folder whose tokens are logged out when the command ends."""
    return click.get_current_context().with_resource(Keystore(folder))
