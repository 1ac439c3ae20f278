import shutil
import subprocess
from contextlib import closing

import pkcs11
import pytest
from nacl.signing import VerifyKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions

from signer.errors import EnvironmentFailedError, KeyStoreError, SignerError
from signer.keys.hsm import Tokens, translated_errors
from tests.cases import case
from tests.softhsm import MODULE, PIN, forget_module, make_softhsm

pytestmark = pytest.mark.needs("softhsm")

ED25519, ED448 = bytes.fromhex("06032b6570"), bytes.fromhex("06032b6571")
PRIVATE = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True}


def _ask() -> bytes:
    return PIN.encode()


def _make(session, key_id, parameters=ED25519, private=PRIVATE):
    made = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: parameters}, local=True
    )
    return made.generate_keypair(
        id=key_id, store=True, mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, private_template=private
    )


def test_token_key_is_not_extractable(softhsm) -> None:
    """The token reports that the private half is sensitive and always was."""
    with closing(Tokens()) as tokens:
        tokens.open(softhsm.module, "drawer", _ask, writing=True).generate(b"\x01", "root-1")
    with softhsm.session("drawer") as session:
        key = session.get_key(ObjectClass.PRIVATE_KEY, id=b"\x01")
        flags = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE)
        assert [key[flag] for flag in (*flags, Attribute.PRIVATE, Attribute.TOKEN)] == [True] * 5
        assert not key[Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            key[Attribute.VALUE]


def test_token_session_is_shared(softhsm) -> None:
    """The PIN is asked for once per login, and no object shows it."""
    asked = []

    def ask() -> bytes:
        asked.append(1)
        return PIN.encode()

    for _ in range(2):
        with closing(Tokens()) as tokens:
            assert tokens.open(softhsm.module, "drawer", ask) is tokens.open(
                softhsm.module, "drawer", ask
            )
    assert len(asked) == 2
    with closing(Tokens()) as tokens:
        session = tokens.open(softhsm.module, "drawer", _ask)
        assert PIN not in repr((tokens, session, vars(tokens), vars(session)))


def test_second_login_is_refused(softhsm) -> None:
    """The message names the cause; other tokens have their own sessions."""
    with closing(Tokens()) as first:
        first.open(softhsm.module, "drawer", _ask, writing=True)
        with pytest.raises(EnvironmentFailedError, match="uses the token drawer already"):
            Tokens().open(softhsm.module, "drawer", _ask)
        first.open(softhsm.module, "drawer", _ask).generate(b"\x01", "root-1")
    softhsm.add("shelf")
    forget_module()
    with closing(Tokens()) as tokens:
        for label in ("drawer", "shelf"):
            session = tokens.open(softhsm.module, label, _ask, writing=True)
            key = VerifyKey(session.generate(b"\2", "root-2"))
            key.verify(label.encode(), session.sign(b"\2", label.encode()))


def test_wrong_pin_is_tried_once(softhsm, monkeypatch) -> None:
    """A PIN that is not UTF-8 is not tried; no message or cause shows a PIN."""
    with pytest.raises(KeyStoreError, match="not UTF-8") as caught:
        Tokens().open(softhsm.module, "drawer", lambda: b"\xff secret")
    assert caught.value.__suppress_context__
    logins = []
    real = pkcs11.lib(softhsm.module)

    class Token:
        def __init__(self, token) -> None:
            self._token, self.slot = token, token.slot

        def open(self, **named):
            logins.append(named["user_pin"])
            return self._token.open(**named)

    class Library:
        def get_token(self, **named):
            return Token(real.get_token(**named))

    monkeypatch.setattr(pkcs11, "lib", lambda _module: Library())
    for pin in (b"9999", b"", b"x" * 300):
        answers = [pin]  # a second prompt would fail
        with pytest.raises(KeyStoreError, match=r"The token drawer refuses .*tried once") as caught:
            Tokens().open(softhsm.module, "drawer", answers.pop)
        assert (answers, logins.pop(), logins) == ([], pin.decode(), [])
        assert PIN not in str(caught.value)
        assert not pin or pin.decode() not in str(caught.value)


def test_missing_module() -> None:
    """The message names the module, and no PIN is asked for."""
    for module in ("/nonexistent/module.so", "/usr/lib/os-release"):
        with pytest.raises(EnvironmentFailedError, match=f"module {module} cannot be loaded"):
            Tokens().open(module, "drawer", lambda: pytest.fail("there is no prompt"))


def test_missing_or_duplicate_token(softhsm) -> None:
    """No PIN is asked for if a label belongs to no token or to two."""
    with pytest.raises(
        EnvironmentFailedError, match=f"no token shelf that {softhsm.module} can see"
    ):
        Tokens().open(softhsm.module, "shelf", lambda: pytest.fail("there is no prompt"))
    softhsm.add("drawer")
    forget_module()
    with pytest.raises(EnvironmentFailedError, match="several tokens drawer"):
        Tokens().open(softhsm.module, "drawer", lambda: pytest.fail("there is no prompt"))


def test_token_without_eddsa_is_refused(tmp_path, monkeypatch) -> None:
    """The PIN is not asked for."""
    made = make_softhsm(tmp_path / "old", "slots.mechanisms = CKM_SHA256,CKM_RSA_PKCS")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    made.add("old")
    forget_module()
    try:
        with pytest.raises(KeyStoreError, match="token old cannot sign with ed25519 keys"):
            Tokens().open(MODULE, "old", lambda: pytest.fail("there is no prompt"))
    finally:
        forget_module()


def test_unusable_token_key_is_refused(softhsm) -> None:
    """Missing, duplicate, extractable and other kinds of keys are refused.

    A token's key must have been made on it and never have been extractable.
    """
    extractable, sensitive = Attribute.EXTRACTABLE, Attribute.SENSITIVE
    with softhsm.session("drawer") as session:
        _make(session, b"\1", private={extractable: True})
        _make(session, b"\2", private={extractable: False, sensitive: False})
        _make(session, b"\3", private={extractable: False, sensitive: False})
        session.get_key(ObjectClass.PRIVATE_KEY, id=b"\3")[sensitive] = True
        _make(session, b"\4", private={extractable: True, sensitive: True})
        session.get_key(ObjectClass.PRIVATE_KEY, id=b"\4")[extractable] = False
        _make(session, b"\5", private={**PRIVATE, Attribute.SIGN: False})
        _make(session, b"\6", parameters=ED448)
        _make(session, b"\7")
        _make(session, b"\7")
    with closing(Tokens()) as tokens:
        session = tokens.open(softhsm.module, "drawer", _ask)

        def sign(key_id):
            return session.sign(key_id, b"payload")

        for key_id, use, words in (
            (b"\1", session.check_private, "01 can be copied off the token"),
            (b"\2", session.check_private, "02 can be copied off the token"),
            (b"\3", session.check_private, "could once be copied off it"),
            (b"\4", session.check_private, "could once be copied off it"),
            (b"\5", sign, "not meant for signatures"),
            (b"\6", session.public, "not an ed25519 key"),
            (b"\7", session.public, "several keys with the id 07"),
            (b"\x08", session.public, "no public ed25519 key with the id 08"),
            (b"\x08", sign, "no private ed25519 key with the id 08"),
        ):
            with case(key_id), pytest.raises(KeyStoreError, match=words):
                use(key_id)


@pytest.mark.needs("openssl")
def test_imported_token_key_is_refused(softhsm, tmp_path) -> None:
    """The token calls it not extractable, but the file that it came from still exists."""
    plain = tmp_path / "plain.pem"
    program = shutil.which("openssl")
    assert program
    subprocess.run([program, "genpkey", "-algorithm", "ed25519", "-out", plain], check=True)
    softhsm.take("drawer", plain, "77")
    with softhsm.session("drawer") as session:
        key = session.get_key(ObjectClass.PRIVATE_KEY, id=b"\x77")
        assert (key[Attribute.EXTRACTABLE], key[Attribute.SENSITIVE]) == (False, True)
    with closing(Tokens()) as tokens:
        session = tokens.open(softhsm.module, "drawer", _ask)
        for use in (session.check_private, lambda key_id: session.sign(key_id, b"payload")):
            with pytest.raises(KeyStoreError, match="The key 77 was not made on the token drawer"):
                use(b"\x77")


def test_token_without_local_attribute_is_refused(softhsm, monkeypatch) -> None:
    """An attribute that the token does not know proves nothing."""
    with closing(Tokens()) as tokens:
        session = tokens.open(softhsm.module, "drawer", _ask, writing=True)
        session.generate(b"\x01", "root-1")

        class Silent:
            def __init__(self, key) -> None:
                self._key = key

            def __getitem__(self, attribute):
                if attribute is Attribute.LOCAL:
                    raise pkcs11.AttributeTypeInvalid
                return self._key[attribute]

        find = session._find_half
        monkeypatch.setattr(session, "_find_half", lambda *named: Silent(find(*named)))
        with pytest.raises(KeyStoreError, match="was not made on the token"):
            session.check_private(b"\x01")


@pytest.mark.parametrize("place", ["module", "folder"])
def test_writable_module_is_not_loaded(tmp_path, monkeypatch, place) -> None:
    """Its code would get the PIN; nothing is loaded or asked for."""
    folder = tmp_path / "modules"
    folder.mkdir()
    module = shutil.copy(MODULE, folder / "module.so")
    (module if place == "module" else folder).chmod(0o777)
    monkeypatch.setattr(pkcs11, "lib", lambda _module: pytest.fail("it is loaded"))
    with pytest.raises(KeyStoreError, match=r"Others may change the (folder of the )?PKCS #11 mod"):
        Tokens().open(str(module), "drawer", lambda: pytest.fail("there is no prompt"))


def test_name_and_id_are_unique_on_the_token(softhsm) -> None:
    """A leftover key is reported with its id, and no key is made."""
    with closing(Tokens()) as tokens:
        session = tokens.open(softhsm.module, "drawer", _ask, writing=True)
        session.generate(b"\x01", "root-1")
        with pytest.raises(KeyStoreError, match="holds a root-1 already, with the id 01"):
            session.generate(b"\x02", "root-1")
        with pytest.raises(KeyStoreError, match="with the id 01"):
            session.generate(b"\x01", "root-2")
    with softhsm.session("drawer") as session:
        assert len(list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))) == 1


def test_library_errors_are_converted() -> None:
    """Every error of python-pkcs11 is converted and names the token.

    Refusals of the token and failures of the environment have different errors.
    """
    kinds = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, exceptions.PKCS11Error)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        with pytest.raises(SignerError, match="token drawer"), translated_errors("drawer"):
            raise kind
    for error, ours, words in (
        (exceptions.PinLocked(), KeyStoreError, "locked by too many wrong PINs"),
        (exceptions.UserAlreadyLoggedIn(), EnvironmentFailedError, "uses the token drawer already"),
        (exceptions.DeviceRemoved(), EnvironmentFailedError, r"drawer failed \(DeviceRemoved\)"),
    ):
        with pytest.raises(ours, match=words), translated_errors("drawer"):
            raise error
