import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import WorkFolderError
from signer.release.policy import MAX_POLICY, TeamPolicy, decode_policy, load_policy
from tests.cases import case

BUILD = "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"


def test_load_policy(tmp_path) -> None:
    """Each key is read; the defaults are twenty builds and seven days."""
    policy = load_policy(tmp_path)
    assert (policy.keep_builds, policy.drain_days) == (20, 7)
    assert (policy.required_locales, policy.factory_builds) == ([], {})
    assert decode_policy(b"") == policy == TeamPolicy()
    (tmp_path / "policy.toml").write_text(
        'required_locales = ["en", "zh-Hans"]\nkeep_builds = 3\ndrain_days = 0\n'
        f'[factory_builds]\narmani = ["{BUILD}"]\n'
    )
    policy = load_policy(tmp_path)
    assert policy.required_locales == ["en", "zh-Hans"]
    assert (policy.keep_builds, policy.drain_days) == (3, 0)
    assert policy.factory_builds_of("armani") == {BUILD}
    assert policy.factory_builds_of("dior") == frozenset()


def test_invalid_policy_is_refused() -> None:
    """Misspelt keys and values out of range are named."""
    for text, sentence in (
        ("keep_build = 3", "unknown field `keep_build`"),
        ("keep_builds = 0", "keep_builds"),
        ("keep_builds = true", "keep_builds"),
        ("keep_builds = 1001", "keep_builds"),
        ("keep_builds = 3.0", "keep_builds"),
        ("drain_days = -1", "drain_days"),
        ("require_proof = 1", "require_proof"),
        ("drain_days = 366", "drain_days"),
        ("drain_days = 1979-05-27", "drain_days"),
        ('required_locales = "en"', "required_locales"),
        ('required_locales = ["english!"]', "required_locales"),
        ('factory_builds = ["x"]', "factory_builds"),
        ('[factory_builds]\narmani = ["a b"]', "factory_builds"),
        ('[factory_builds]\nARMANI = ["ab"]', "not a codename"),
        ("keep_builds", "is not TOML"),
        ("a = " + "[" * 20_000, "is not TOML"),
        ("#" * (MAX_POLICY + 1), "more than 65536 bytes"),
        ("\udcff", "is not UTF-8"),
    ):
        with case(text):
            with pytest.raises(WorkFolderError, match=sentence) as caught:
                decode_policy(text.encode(errors="surrogateescape"))
            assert str(caught.value).startswith("policy.toml ")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes(data) -> None:
    """Arbitrary bytes give a policy, or a WorkFolderError."""
    try:
        policy = decode_policy(data)
    except WorkFolderError:
        return
    assert isinstance(policy, TeamPolicy)
