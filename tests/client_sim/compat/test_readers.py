"""The strict readers: accepted answers, and each refusal of FORMATS section 18."""

import hashlib
import json
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from client_sim.compat import custota, graphene, lineage
from client_sim.compat.checking import fetch, request_offer, verify
from client_sim.compat.errors import DialectError
from client_sim.compat.http_client import AppPhone, Offer, Reply
from client_sim.engine.signatures import load_certificate_key
from fixtures.signing import CERTIFICATE_FILE, KEYS
from fixtures.small_package import FOURTH, small_zip
from server.compat.dialects import DIALECTS
from server.compat.plane import answer_to
from signer.ota.csig import make_csig
from signer.ota.inspect import inspect_ota
from tests.cases import case
from tests.server.compat.models import FROM, START, make_item, make_model, make_pointer, make_shelf

BASE = "https://u.example"
PEM = CERTIFICATE_FILE.read_bytes()
KEY = load_certificate_key(PEM)
PHONE = AppPhone("FP4", channel="nightly", version="22.1", built=1)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a small package on disk, its facts and its csig."""
    path = tmp_path_factory.mktemp("package") / "armani-4.zip"
    path.write_bytes(small_zip(FOURTH))
    facts = inspect_ota(path)
    key = (KEYS / "FIXTURE-ONLY-ota.key.pem").read_bytes()
    return facts, path.read_bytes(), make_csig(facts, key, PEM, lambda _name: b"")


@pytest.fixture(scope="module")
def site(package):
    """Return a site whose only build is that package, in all dialects."""
    facts, data, csig = package
    names = {
        "lineage.version": "22.1",
        "lineage.property_files": facts.property_files,
        "crdroid.version": "11.2",
        "pe.version": "14",
        "md5": hashlib.md5(data).hexdigest(),
    }
    item = make_item(
        4,
        incremental=facts.incremental,
        post_timestamp=facts.post_timestamp,
        labels=names,
        csig={"length": len(csig), "sha256": hashlib.sha256(csig).hexdigest()},
    )
    item = replace(item, length=len(data), sha256=facts.sha256)
    pointer = make_pointer(4, packages={4: [item]})
    model = make_model(make_shelf(pointer, [item]), device="armani")
    contents = {}
    for dialect in DIALECTS.values():
        contents |= dialect.lists(model, FROM) | dialect.files(model)
    blobs = {facts.sha256: data, hashlib.sha256(csig).hexdigest(): csig}
    return MapSite(contents, blobs)


ARMANI = AppPhone("armani", channel="nightly", version="22.1", built=1)
APPS = [
    ("lineage1", ARMANI),
    ("lineage2", ARMANI),
    ("graphene", replace(ARMANI, incremental="1.3.0-id")),
    ("calyx", ARMANI),
    ("custota", ARMANI),
    ("crdroid", ARMANI),
    ("pixelexperience", replace(ARMANI, version="14")),
]


@pytest.mark.parametrize(("dialect", "phone"), APPS, ids=[name for name, _ in APPS])
def test_offer_download_and_verification_of_each_app(site, package, dialect, phone, tmp_path):
    """A download starts from nothing, from a third, and from the complete file."""
    _, data, _ = package
    offer = request_offer(site, dialect, BASE, phone, PEM)
    for start in (0, len(data) // 3, len(data)):
        target = tmp_path / f"{start}.zip"
        target.write_bytes(data[:start])
        is_graphene = dialect in {"graphene", "calyx"}
        fetched = fetch(site, offer, target, needs_206=not is_graphene)
        assert target.read_bytes() == data
        verify(fetched, target, KEY)
        if is_graphene:
            graphene.check_package(target, fetched, phone)


def test_lineage_2_streams(site, package):
    """The properties are one range, and the payload's offset is that of the package."""
    facts, data, _ = package
    offer = lineage.request_offer_2(site, BASE, ARMANI)
    _, offset, size, properties = lineage.stream_2(site, offer)
    assert data[offset : offset + 4] == b"CrAU"
    assert f"payload.bin:{offset}:{size}" in facts.property_files
    assert properties.startswith(b"FILE_HASH=")


def test_graphene_falls_back_to_the_full_package(site, tmp_path):
    """The name of the incremental shows the running build, whether it exists or not."""
    phone = replace(ARMANI, incremental="9.9")
    offer = graphene.request_offer(site, BASE, phone)
    site.requests.clear()
    fetched = fetch(site, offer, tmp_path / "a.zip", needs_206=False)
    assert [path for path, _ in site.requests] == [
        f"/graphene/armani-incremental-9.9-{FOURTH.incremental}.zip",
        f"/graphene/armani-ota_update-{FOURTH.incremental}.zip",
    ]
    assert fetched == offer.fallback


def test_site_without_offers():
    """No app reports an error, except for Custota, whose file is missing."""
    contents = {}
    model = make_model(make_shelf(None))
    for dialect in DIALECTS.values():
        contents |= dialect.lists(model, FROM)
    empty = MapSite(contents)
    for dialect, phone in APPS:
        asked = replace(phone, device="FP4")
        if dialect == "custota":
            with pytest.raises(DialectError, match="404"):
                request_offer(empty, dialect, BASE, asked, PEM)
        else:
            assert request_offer(empty, dialect, BASE, asked, PEM) is None


def test_a_phone_on_the_build_is_offered_nothing(site):
    """Apps compare the build date, Custota the fingerprint."""
    for dialect, phone in APPS:
        same = replace(phone, built=FOURTH.post_timestamp, fingerprint=FOURTH.fingerprint)
        assert request_offer(site, dialect, BASE, same, PEM) is None


def lists(name, now=START):
    """Return a site with the lists of a model whose newest build is rolled out in stages."""
    return MapSite(DIALECTS[name].lists(make_model(), now))


def broken(site, **changes):
    """Return a site with changed answers."""
    return MapSite(site.contents, site.data, lambda reply: replace(reply, **changes))


def edited(site, edit):
    """Return a site with edited JSON lists."""

    def change(reply):
        value = json.loads(reply.body)
        body = json.dumps(edit(value) or value).encode()
        fields = {**reply.fields, "content-length": str(len(body))}
        return Reply(reply.status, fields, body)

    return MapSite(site.contents, site.data, change)


REFUSED_2 = [
    ({"status": 301}, "301"),
    ({"status": 404}, "404"),
    ({"fields": {"content-type": "text/html", "content-length": "2"}, "body": b"[]"}, "text/html"),
    ({"fields": {"content-type": "application/json", "content-length": "1"}, "body": b"x"}, "JSON"),
    (
        {
            "fields": {"content-type": "application/json", "content-length": "32770"},
            "body": b"[" + b" " * 32_768 + b"]",
        },
        "32768",
    ),
]


def test_answers_that_lineage_2_refuses():
    """A redirect, another type, malformed JSON, and a byte more than its limit."""
    for changes, words in REFUSED_2:
        with case(changes, words), pytest.raises(DialectError, match=words):
            lineage.request_offer_2(broken(lists("lineage2"), **changes), BASE, PHONE)


def test_lineage_2_accepts_a_charset_and_needs_https():
    """The content type may have parameters."""
    kind = {"content-type": "application/json; charset=utf-8", "content-length": "2"}
    assert (
        lineage.request_offer_2(broken(lists("lineage2"), fields=kind, body=b"[]"), BASE, PHONE)
        is None
    )
    with pytest.raises(DialectError, match="not https"):
        lineage.request_offer_2(lists("lineage2"), "http://u.example", PHONE)


@pytest.mark.parametrize("member", ["datetime", "type", "version", "files"])
def test_one_bad_element_breaks_a_list_of_version_2(member):
    """Version 1 skips only the malformed element."""
    site = edited(lists("lineage2"), lambda value: [*value, {**value[0], member: None}])
    with pytest.raises(DialectError):
        lineage.request_offer_2(site, BASE, PHONE)
    site = edited(lists("lineage1"), lambda value: value["response"].append({"id": 1}))
    assert lineage.request_offer_1(site, BASE, PHONE).version == "22.1"


@pytest.mark.parametrize("member", ["filename", "sha256", "url", "size"])
def test_one_bad_file_breaks_a_list_of_version_2(member):
    """So does a property token without two numbers."""
    site = edited(lists("lineage2"), lambda value: value[0]["files"][0].pop(member) and None)
    with pytest.raises(DialectError):
        lineage.request_offer_2(site, BASE, PHONE)

    def spoil(value):
        value[0]["files"][0]["ota_property_files"] = "payload.bin:1"

    with pytest.raises(DialectError, match="is not NAME:OFFSET:SIZE"):
        lineage.request_offer_2(edited(lists("lineage2"), spoil), BASE, PHONE)


def test_compared_versions():
    """Version 1 accepts only the running version, version 2 an equal or higher minor version."""
    for version, one, two in (
        ("22.1", True, True),
        ("22.0", False, True),
        ("22.2", False, False),
        ("21.0", False, False),
        ("23.0", False, False),
    ):
        with case(version, one, two):
            phone = replace(PHONE, version=version)
            assert (lineage.request_offer_1(lists("lineage1"), BASE, phone) is not None) is one
            assert (lineage.request_offer_2(lists("lineage2"), BASE, phone) is not None) is two


def test_a_missing_response_fails_the_check_of_version_1():
    """So does a response that is not a list."""
    for value in ({}, {"response": {}}, []):
        with pytest.raises(DialectError):
            lineage.request_offer_1(
                edited(lists("lineage1"), lambda _old, new=value: new or {"x": 1}), BASE, PHONE
            )


def test_lines_that_graphene_refuses():
    """An empty body is refused, and the third field must be the device."""
    for body in (
        b"",
        b"\n",
        b"1.2 3 FP4",
        b"1.2 x FP4 nightly",
        b"1.2 3 FP5 nightly",
        b"1.2 3 FP4 beta",
    ):
        with case(body):
            fields = {"content-length": str(len(body))}
            site = broken(lists("graphene"), body=body, fields=fields)
            with pytest.raises(DialectError):
                graphene.request_offer(site, BASE, PHONE)


def test_calyx_reads_two_fields():
    """The other fields may have any value."""
    site = broken(lists("calyx"), body=b"1.2 3 x y\n", fields={"content-length": "10"})
    assert graphene.request_offer(site, BASE, PHONE, "calyx").version == "1.2"


def test_answers_that_custota_refuses(site, package):
    """Another key, package, version or range, and a missing part."""
    facts, _, csig = package
    other = load_certificate_key((KEYS / "FIXTURE-ONLY-other.cert.pem").read_bytes())
    with pytest.raises(DialectError, match="not signed by the key"):
        custota.read_csig(csig, other)
    for at in (0, csig.index(b'"digest"') + 12, len(csig) - 5):
        data = bytearray(csig)
        data[at] ^= 1
        with pytest.raises(DialectError):
            custota.read_csig(bytes(data), KEY)
    with pytest.raises(DialectError, match="version 1"):
        custota.read_info(
            b'{"version":1,"full":{"location_ota":"a","location_csig":"b"}}', BASE, ARMANI
        )
    with pytest.raises(DialectError, match="no `full`"):
        custota.read_info(b'{"version":2}', BASE, ARMANI)
    part = custota.read_csig(csig, KEY)["metadata.pb"]
    url = f"{BASE}/custota/{facts.sha256}.armani-4.zip"
    assert custota.fetch_part(site, url, part)
    with pytest.raises(DialectError, match="does not match the csig"):
        custota.fetch_part(site, url, replace(part, digest="0" * 64))
    with pytest.raises(DialectError, match="Content-Range"):
        custota.fetch_part(broken(site, fields={}), url, part)


@pytest.mark.parametrize("member", [*lineage.CRDROID, "timestamp", "size"])
def test_crdroid_needs_every_field(member):
    """The older app refuses an element without one of these fields."""
    site = edited(lists("crdroid"), lambda value: value["response"][0].pop(member) and None)
    with pytest.raises(DialectError, match=member):
        lineage.request_crdroid_offer(site, BASE, PHONE)


def test_resumes_that_are_refused(site, tmp_path):
    """200 where 206 is needed, another Content-Range, and a 416 for another length."""
    offer = lineage.request_offer_1(site, BASE, ARMANI)
    target = tmp_path / "a.zip"
    target.write_bytes(b"PK")
    with pytest.raises(DialectError, match="needs 206"):
        fetch(broken(site, status=200), offer, target)
    wrong = {"content-range": "bytes 3-9/10", "content-length": "7"}
    with pytest.raises(DialectError, match="Content-Range"):
        fetch(broken(site, fields=wrong), offer, target)
    with pytest.raises(DialectError, match="does not have the length"):
        fetch(broken(site, status=416, fields={}), offer, target)


def test_files_that_are_refused(tmp_path):
    """Another length or hash, and a missing signature."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK")
    for offer, words in (
        (Offer("", 1, size=3), "3"),
        (Offer("", 1, sha256="0" * 64), "sha256"),
        (Offer("", 1, md5="0" * 32), "md5"),
        (Offer("", 1), "signature"),
    ):
        with pytest.raises(DialectError, match=words):
            verify(offer, path, KEY)


class MapSite:
    """Answers from `contents`; `data` maps sha256 to the bytes of packages.

    `change` may replace any answer. `requests` lists path and Range of each request.
    """

    def __init__(self, contents, data=None, change=lambda reply: reply):
        self.contents = contents
        self.data = data or {}
        self.change = change
        self.requests = []

    def get(self, url, fields, sink=None):
        """Return the answer to a GET request."""
        path, part = urlsplit(url).path, fields.get("Range")
        self.requests.append((path, part))
        answer = answer_to(self.contents.get(path), part and part.encode(), None)
        body = answer.body
        if answer.package is not None:
            body = self.data[answer.package.sha256]
            if answer.part is not None:
                body = body[answer.part.first : answer.part.last + 1]
        found = {name.lower(): value for name, value in answer.headers.items()}
        reply = self.change(Reply(int(HTTPStatus(answer.status)), found, body))
        if sink is None:
            return reply
        head = replace(reply, body=b"")
        with sink(head) as file:
            file.write(reply.body)
        return head
