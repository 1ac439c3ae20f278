from signer.keys.key_folder import KeyRole, find_key_roles
from signer.keys.keystore import Keystore
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


def _find(repo, keys, name):
    trusted = load_trusted(WorkFolder(repo), None)
    key = Keystore(keys).load_public_key(name)
    return find_key_roles(key.keyid, trusted.root, trusted.targets)


def test_a_roles_key_is_found_with_its_threshold(repo, keys) -> None:
    """Two of three for root, two of two for armani, one of one for dior."""
    assert _find(repo, keys, "root-2") == [KeyRole("root", 2, 3)]
    assert _find(repo, keys, "armani-1") == [KeyRole("armani", 2, 2)]
    assert _find(repo, keys, "dior-1") == [KeyRole("dior", 1, 1)]


def test_alone_is_who_needs_no_other() -> None:
    """A threshold of one, however many keys there are."""
    assert KeyRole("dior", 1, 3).is_enough
    assert not KeyRole("root", 2, 3).is_enough


def test_one_key_in_several_roles_is_found_in_each(repo, keys) -> None:
    """The name of a key is only a name: metadata says what it signs."""
    trusted = load_trusted(WorkFolder(repo), None)
    key = Keystore(keys).load_public_key("targets-1")
    trusted.targets.delegations.roles["content"].keyids.append(key.keyid)
    assert find_key_roles(key.keyid, trusted.root, trusted.targets) == [
        KeyRole("targets", 2, 2),
        KeyRole("content", 1, 2),
    ]


def test_a_stranger_signs_nothing(repo) -> None:
    """A key that no role lists has no role."""
    trusted = load_trusted(WorkFolder(repo), None)
    assert find_key_roles("0" * 64, trusted.root, trusted.targets) == []
