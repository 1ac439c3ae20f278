from dataclasses import replace

from signer.release.plan import judge_release
from signer.release.proof import Proof, Proofs, ProvedPartition, ProvedSource
from signer.release.request import ReleaseRequest
from tests.cases import case
from tests.signer.builds import EXPIRES, NOW, STABLE, empty_role, fingerprint, make_facts, role_of

FULL, STEP, SOURCE = make_facts(2), make_facts(2, 1), make_facts(1)
CERTIFICATE = "c" * 64
TERMS = Proofs((), is_required=True, certificate=CERTIFICATE, version="0.1.0")


def proof_of(facts, **changes):
    """Return the report of a package that installs, with changed members."""
    values = {
        "certificate": CERTIFICATE,
        "codename": "armani",
        "length": facts.length,
        "partitions": [
            ProvedPartition(each.name, each.sha256, each.size) for each in facts.partitions
        ],
        "prover": "0.1.0",
        "refusal": "",
        "rules": ["files"],
        "schema": 1,
        "sha256": facts.sha256,
        "source": ProvedSource(SOURCE.fingerprint, SOURCE.sha256),
        "ways": ["stream", "whole"],
    }
    return Proof(**(values | changes))


def judge(packages, *given, sources=(), current=None, terms=TERMS, **request):
    """Return the verdicts about proofs, as subject, answer, refusal or remark."""
    request = ReleaseRequest(STABLE, proofs=replace(terms, given=given), **request)
    judged = judge_release(request, packages, current or role_of(1), NOW, EXPIRES, sources)
    return [
        (each.subject, each.answer, each.refusal or each.remark)
        for each in judged.verdicts
        if each.question in {"installs on a phone", "needs every --proof"}
    ]


def test_missing_proof() -> None:
    """The team's policy may require a proof; block-based packages have nothing to unpack."""
    for package, terms, answer, start in (
        (
            FULL,
            replace(TERMS, is_required=False),
            "not asked",
            "not unpacked: give a report of `hening-device prove` with --proof",
        ),
        (FULL, TERMS, "no", f"policy.toml requires a proof that {FULL.path.name} installs: run"),
        (make_facts(2, ota_type="BLOCK"), TERMS, "not asked", "it has no payload"),
    ):
        ((_, found, message),) = judge([package], terms=terms)
        assert (found, message[: len(start)]) == (answer, start)


def test_refusing_report() -> None:
    """One refusing report is enough, in any order, and also if no proof is required."""
    refused = proof_of(FULL, refusal="x" * 300, partitions=[])
    for given in ((refused, proof_of(FULL)), (proof_of(FULL), refused)):
        (_, answer, message), _ = judge([FULL], *given, terms=replace(TERMS, is_required=False))
        assert (answer, message[-4:], len(message)) == ("no", "xxx…", 300)
        assert message.startswith(f"A phone refuses {FULL.path.name}: xxx")


OTHER = ProvedPartition("other", "0" * 64, 4096)


def test_mismatched_proof_is_refused() -> None:
    """Each value must be that of the package; without a certificate none is compared."""
    for changes, words in (
        ({"prover": "0.2.0"}, "was proved by hening-device 0.2.0, and this is hening-signer 0.1.0"),
        ({"certificate": "d" * 64}, "was proved with another certificate"),
        ({"codename": "cancro"}, "was proved for cancro; prove it with --codename armani"),
        ({"length": 1}, "gives another length or other partitions"),
        ({"partitions": [OTHER]}, "gives another length or other partitions"),
        ({"partitions": [*proof_of(FULL).partitions, OTHER]}, "or other partitions"),
    ):
        with case(changes):
            (_, answer, message), _ = judge([FULL], proof_of(FULL, **changes))
            assert answer == "no"
            assert words in message
    terms = replace(TERMS, certificate="")
    assert judge([FULL], proof_of(FULL, certificate="d" * 64), terms=terms)[0][1] == "yes"


def test_proof_of_incremental() -> None:
    """Each listed source build needs a proof on its listed package."""
    for source, words in (
        (None, "was proved on another build than it starts from"),
        (ProvedSource(fingerprint(3), SOURCE.sha256), "was proved on another build"),
        (ProvedSource(SOURCE.fingerprint, "0" * 64), "was proved on another package of"),
    ):
        with case(source):
            (_, answer, message), *_ = [
                each
                for each in judge([STEP, FULL], proof_of(STEP, source=source), proof_of(FULL))
                if each[0] == STEP.path.name
            ]
            assert answer == "no"
            assert words in message
    full = make_facts(3)
    both = make_facts(3, 1, source_builds=(SOURCE.fingerprint, FULL.fingerprint))
    other = proof_of(both, source=ProvedSource(FULL.fingerprint, FULL.sha256))
    proofs = (proof_of(both), proof_of(full))
    _, (_, answer, message), _ = judge([full, both], *proofs, current=role_of(1, 2))
    assert answer == "no"
    assert f"also starts from {FULL.fingerprint}, and was not proved on it" in message
    answers = judge([full, both], *proofs, other, current=role_of(1, 2))
    assert [each[1] for each in answers] == ["yes"] * 3
    builds, other = frozenset({SOURCE.fingerprint}), ProvedSource(SOURCE.fingerprint, "0" * 64)
    proofs = (proof_of(FULL), proof_of(STEP, source=other))
    arguments = {"current": empty_role(), "factory_builds": builds}
    assert [each[1] for each in judge([FULL, STEP], *proofs, **arguments)] == ["yes"] * 3
    answers = judge([FULL, STEP], *proofs, sources=[SOURCE], **arguments)
    assert [each[1] for each in answers] == ["yes", "no", "yes"]


def test_proof_of_full_package() -> None:
    """A required proof is made on the build before, so that no partition is left out."""
    alone = proof_of(FULL, source=None)
    ((_, answer, message), _) = judge([FULL], alone)
    assert answer == "no"
    assert "was not proved on a listed build" in message
    assert judge([FULL], alone, terms=replace(TERMS, is_required=False))[0][1] == "yes"
    assert judge([FULL], alone, current=empty_role())[0][1] == "yes"
    other = proof_of(FULL, source=ProvedSource("Hening/other", "e" * 64))
    assert judge([FULL], other)[0][1] == "no"
    *_, (subject, answer, message) = judge([FULL], proof_of(FULL), proof_of(SOURCE))
    assert (subject, answer) == (str(STABLE), "no")
    assert f"sha256 {SOURCE.sha256}, which is none of these" in message
    assert judge([FULL, STEP], proof_of(STEP), proof_of(FULL)) == [
        (FULL.path.name, "yes", ""),
        (STEP.path.name, "yes", ""),
        (str(STABLE), "yes", ""),
    ]
