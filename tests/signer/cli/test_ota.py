import json
import os
import re

from fixtures.block import build_block_zip
from fixtures.build import build_zip
from fixtures.catalogue import Package, find_build
from fixtures.hostile import hostile_zips
from fixtures.hostile_block import hostile_blocks
from fixtures.newer import newer_packages
from fixtures.signing import CERTIFICATE_FILE, KEYS
from tests.cases import case

ONE_ZIP, AGREE = "is one zip to every reader", "has metadata that agree"
RULES = "follows its version's rules"
EARLIER = [ONE_ZIP, AGREE, "names no serial number", "has a good metadata signature"]
LATER = [RULES, "has partition hashes", "has true offsets", "has true payload properties"]
SIGNATURES = [f"has a good {part} signature" for part in ("payload", "whole-file")]


def test_inspect_for_people(run, zips, run_json, facts) -> None:
    """The output has the facts, the source and the answer to each question."""
    status, output, errors = run("ota", "inspect", zips["step"], "--codename", "armani")
    assert (status, errors) == (0, "")
    assert "AB incremental" in output
    assert "Hening/armani/armani:14/UKQ1.250101.001/1.1.0-id:user/release-keys" in output
    assert re.search(
        r"^has a good payload signature +not asked +give --certificate$", output, re.MULTILINE
    )
    assert re.search(r"^is for armani +yes$", output, re.MULTILINE)
    assert re.search(r"^length +19\.1 kB$", output, re.MULTILINE)
    assert re.search(r"^built +2026-\d\d-\d\d \d\d:00:00 UTC$", output, re.MULTILINE)
    _, output, _ = run("ota", "inspect", zips["step"])
    before = {each.name: each.sha256 for each in facts["first"].partitions}
    result = re.findall(r"^  from sha256\s+([0-9a-f]{64})$", output, re.MULTILINE)
    assert result == [*before.values()]
    found = run_json("ota", "inspect", zips["step"])["facts"]["partitions"]
    assert {each["name"]: each["source_sha256"] for each in found} == before
    _, output, _ = run("ota", "inspect", zips["first"], "--certificate", CERTIFICATE_FILE)
    assert output.count(" signature ") == 3
    assert "not asked" not in output
    other = KEYS / "FIXTURE-ONLY-other.cert.pem"
    status, output, errors = run("ota", "inspect", zips["first"], "--certificate", other)
    assert status == 1
    assert errors.count("\n") == 1
    (no,) = (line for line in output.splitlines() if "  no  " in line)
    assert re.match(r"has a good whole-file signature +no +The package's otacert is another", no)


def test_inspect_as_json(run_json, zips, facts, run) -> None:
    """Facts and verdicts are there, also for another model."""
    value = run_json("ota", "inspect", zips["first"], "--codename", "armani")
    assert value["facts"]["sha256"] == facts["first"].sha256
    assert value["facts"]["path"] == "armani-first.zip"
    assert value["facts"]["signed"] is None
    passed = {verdict["question"]: verdict["passed"] for verdict in value["verdicts"]}
    for part in ("metadata", "payload", "whole-file"):
        assert passed.pop(f"has a good {part} signature") is None
    assert passed["is one zip to every reader"] is True
    assert len(passed) == 18
    assert all(passed.values())
    value = run_json("ota", "inspect", zips["first"], "--certificate", CERTIFICATE_FILE)
    assert value["facts"]["signed"] == {"payload": True, "whole_file": True}
    assert all(verdict["passed"] is True for verdict in value["verdicts"])
    status, output, errors = run("ota", "inspect", zips["first"], "--codename", "dior", "--json")
    assert status == 1
    value = json.loads(output)
    assert value["verdicts"][-1]["passed"] is False
    assert value["error"] == "armani-first.zip is for armani and not for dior."
    assert errors == "hening-signer: armani-first.zip is for armani and not for dior.\n"


def test_inspect_block_based_package(run, tmp_path) -> None:
    """Its commands are shown, and it is refused."""
    path = tmp_path / "armani-block.zip"
    path.write_bytes(build_block_zip(Package(find_build("armani", "id", 2))))
    status, output, errors = run("ota", "inspect", path, "--certificate", CERTIFICATE_FILE)
    assert status == 1
    assert re.search(r"^type +BLOCK full$", output, re.MULTILINE)
    assert re.search(r"^transfer list version +4$", output, re.MULTILINE)
    assert re.search(r"^  operations +erase:1 new:\d+ zero:\d+$", output, re.MULTILINE)
    assert re.search(r"^has a good whole-file signature +yes$", output, re.MULTILINE)
    assert re.search(r"^has a good payload signature +not asked +it has no", output, re.MULTILINE)
    assert re.search(r"^can be streamed +no +armani-block.zip is block-based", output, re.MULTILINE)
    assert errors.startswith("hening-signer: armani-block.zip is block-based, and a phone cannot")
    _, output, _ = run("ota", "inspect", path, "--json")
    value = json.loads(output)
    assert value["facts"]["ota_type"] == "BLOCK"
    assert value["error"] == errors.removeprefix("hening-signer: ").rstrip("\n")
    refused = [each for each in value["verdicts"] if each["passed"] is False]
    assert [each["question"] for each in refused] == ["can be streamed"]


def test_inspect_newer_operation(run, tmp_path) -> None:
    """It is counted and refused, unless it is allowed by name."""
    target, source = find_build("armani", "id", 2), find_build("armani", "id", 1)
    path = tmp_path / "armani-newer.zip"
    path.write_bytes(newer_packages(target, source)["unknown-27"])
    status, output, errors = run("ota", "inspect", path)
    assert status == 1
    assert re.search(r"^to be allowed by name +unknown-27$", output, re.MULTILINE)
    assert re.search(r"^  operations .* unknown-27:1$", output, re.MULTILINE)
    assert re.search(r"^has known operations only +no +armani-newer", output, re.MULTILINE)
    assert errors.endswith("(unknown-27); allow them by name if the model's phones support them.\n")
    status, output, errors = run("ota", "inspect", path, "--allow-operation", "unknown-27")
    assert (status, errors) == (0, "")
    assert re.search(r"^has known operations only +yes +allowed: unknown-27$", output, re.MULTILINE)


def test_inspect_other_file(run, tmp_path) -> None:
    """There is one sentence and one verdict."""
    (tmp_path / "bad.zip").write_bytes(b"not a zip")
    status, output, errors = run("ota", "inspect", tmp_path / "bad.zip")
    assert status == 1
    assert errors.count("\n") == 1
    assert errors.endswith(".\n")
    sentence = errors.removeprefix("hening-signer: ").rstrip("\n")
    title, head, *row = output.splitlines()
    assert (title, head.split()) == (
        "Verdicts on bad.zip up to the first no",
        ["the", "package", "answer", "remark"],
    )
    assert " ".join(" ".join(row).split()) == f"is one zip to every reader no {sentence}"
    _, output, _ = run("ota", "inspect", tmp_path / "bad.zip", "--json")
    question = {"question": "is one zip to every reader", "passed": False}
    assert json.loads(output) == {
        "error": sentence,
        "facts": None,
        "verdicts": [question | {"refusal": sentence, "remark": ""}],
    }


def test_inspect_pipe(run, tmp_path, monkeypatch) -> None:
    """The command does not wait for it."""
    monkeypatch.chdir(tmp_path)  # a short path keeps each table row on one line
    os.mkfifo("pipe.zip")
    for more in ((), ("--json",)):
        status, output, errors = run("ota", "inspect", "pipe.zip", *more)
        assert "is one zip to every reader" in output
        assert status == 1
        assert errors == (
            "hening-signer: pipe.zip is not a regular file; give the OTA zip itself.\n"
        )


def test_inspect_hostile_package(run, run_json, tmp_path, zips) -> None:
    """The verdicts end with the first refusal; inapplicable questions are left out."""
    sound = run_json("ota", "inspect", zips["first"], "--certificate", CERTIFICATE_FILE)
    asked = {each["question"] for each in sound["verdicts"]}
    path = tmp_path / "armani-hostile.zip"
    hostile = hostile_zips(build_zip(find_build("armani", "id", 2)))
    for name, questions in {
        "duplicate-payload": [ONE_ZIP],
        "crc-wrong": [*EARLIER[1:], *LATER, ONE_ZIP],
        "no-payload": [*EARLIER[:3], RULES],
        "metadata-disagree": [ONE_ZIP, AGREE],
        "metadata-serialno": [ONE_ZIP, "names no serial number"],
        "operation-move": [*EARLIER, *LATER[:1]],
        "partition-empty": [*EARLIER, "has partition hashes"],
        "offset-wrong": [*EARLIER, *LATER[:3]],
        "properties-file-hash": [*EARLIER, *LATER],
        "metadata-signature-flipped": EARLIER,
        "payload-signature-flipped": [*EARLIER, *LATER, *SIGNATURES[:1]],
        "whole-file-signature-flipped": [*EARLIER, *LATER, *SIGNATURES],
    }.items():
        path.write_bytes(hostile[name])
        with case(name):
            status, output, errors = run(
                "ota", "inspect", path, "--json", "--certificate", CERTIFICATE_FILE
            )
            assert status == 1
            value = json.loads(output)
            assert [each["question"] for each in value["verdicts"]] == questions
            assert asked >= {*questions}
            passed = [each["passed"] for each in value["verdicts"]]
            assert passed == [True] * (len(questions) - 1) + [False]
            assert errors == f"hening-signer: {value['verdicts'][-1]['refusal']}\n"
            assert value["facts"] is None


def test_inspect_hostile_block_based_package(run, tmp_path) -> None:
    """The table has the verdicts up to the first refusal."""
    target, source = find_build("armani", "id", 2), find_build("armani", "id", 1)
    path = tmp_path / "armani-block.zip"
    path.write_bytes(hostile_blocks(target, source)["list-total-wrong"])
    status, output, _ = run("ota", "inspect", path)
    assert status == 1
    rows = [re.split(r"  +", line)[:2] for line in output.splitlines()[2:] if line[0] != " "]
    questions = [ONE_ZIP, AGREE, "names no serial number", "has true offsets"]
    assert rows == [[each, "yes"] for each in questions] + [["follows its version's rules", "no"]]
