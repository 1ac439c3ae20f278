import os
from dataclasses import dataclass

import pytest

from signer.ceremony.changes import HolderChange, plan_holders
from signer.ceremony.root_plan import plan_renewal
from signer.keys.keystore import Keystore
from signer.keys.public_key import PublicKey
from signer.proposal.document import Change
from signer.proposal.propose import Proposed, propose_change
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_delegated, load_signed_roles, load_trusted
from signer.work_folder import WorkFolder


@dataclass
class Team:
    """A working folder, and the people whose keys it was made with, each with a key folder."""

    folder: WorkFolder
    all_keys: Keystore
    folders: dict
    now: object
    passphrases: object

    def keys_of(self, holder) -> Keystore:
        """Return the key folder of one holder."""
        return Keystore(self.folders[holder])

    def public(self, name) -> PublicKey:
        """Return a public half by name."""
        return self.all_keys.load_public_key(name)

    def renew(self, *names, at=None, days=None) -> Proposed:
        """Propose to renew roles."""
        at = at or self.now
        trusted = load_trusted(self.folder, None)
        roles = {"root": trusted.root, "targets": trusted.targets}
        for role in names:
            if role not in roles:
                roles[role] = load_delegated(self.folder, trusted, role)[1]
        return self.propose(plan_renewal(names, roles, days or {}, at), at=at)

    def change_holders(self, request: HolderChange) -> Proposed:
        """Propose a change of holders."""
        trusted = load_trusted(self.folder, None)
        roles = load_signed_roles(self.folder, trusted, request.roles)
        return self.propose(plan_holders(request, trusted.root, roles, self.now))

    def propose(self, roles, *, at=None, note="") -> Proposed:
        """Propose the next versions of roles."""
        keys = self.all_keys.load_public_keys()
        return propose_change(self.folder, Change(roles), keys, at or self.now, note)

    def sign(self, proposed, *holders):
        """Return the signature files of some holders."""
        return [
            sign_proposal(
                proposed.transition,
                proposed.identity,
                self.keys_of(holder),
                find_holdings(proposed.transition, self.keys_of(holder)),
                self.passphrases,
            )
            for holder in holders
        ]


@pytest.fixture
def team(repo, made_keys, holder_folders, now, passphrases) -> Team:
    """Return a working folder for one test, with its people."""
    return Team(WorkFolder(repo), Keystore(made_keys), holder_folders, now, passphrases)


@pytest.fixture(scope="session")
def new_keys(tmp_path_factory, passphrases) -> Keystore:
    """Make keys that are not enrolled."""
    store = Keystore(tmp_path_factory.mktemp("new") / "keys")
    store.create_keys(("root-4", "targets-3", "armani-3", "cannon-1"), passphrases, os.urandom)
    return store
