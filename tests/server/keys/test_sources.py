"""Keys from systemd credentials, which only the operator can change."""

import pytest

from server.core.errors import TrustError
from server.keys.sources import load_credentials
from server.publisher.errors import PublishError
from server.publisher.keys.online_keys import load_online_keys


def test_keys_from_credentials(fresh):
    """Credentials and a keys folder lead to the same keys."""
    held, read = load_credentials(fresh.folder.keys).load(), load_online_keys(fresh.folder.keys)
    assert held.log_verifier == read.log_verifier
    for role, signer in read.signers.items():
        assert held.signers[role].public_key == signer.public_key


def test_credentials_are_read_only(fresh):
    """A change of keys is refused, and the error says which credential to change.

    A key that everyone can read is refused.
    """
    source = load_credentials(fresh.folder.keys)
    with pytest.raises(PublishError, match=r"in the unit's credentials by hand.* snapshot\.next"):
        source.create_next(["snapshot", "timestamp"], afresh=False)
    with pytest.raises(PublishError, match="in the unit's credentials give the next key of log"):
        source.promote(["log"])
    (fresh.folder.keys / "latest.pem").chmod(0o444)
    with pytest.raises(TrustError, match="others may read it"):
        load_credentials(fresh.folder.keys)
