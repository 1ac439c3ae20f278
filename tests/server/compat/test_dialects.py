"""Each dialect's bytes, written by hand from FORMATS section 18, and what it leaves out."""

import json
import re

import msgspec

from server.compat.dialects import DIALECTS
from server.compat.graphene import source_incremental
from server.compat.pages import GONE
from server.http.answers import Package
from tests.cases import case
from tests.server.compat.models import (
    FROM,
    ITEMS,
    POINTER,
    START,
    make_item,
    make_model,
    make_pointer,
    make_shelf,
    relabel,
    withdraw,
)

THREE, TWO = f"{300:064x}", f"{200:064x}"
STEP = f"{302:064x}"
FILE_3 = (
    f'"filename":"armani-3.zip","os_patch_level":"2026-01-05","os_sdk_level":34,'
    f'"ota_property_files":"payload.bin:1:2,payload_properties.txt:3:4","sha256":"{THREE}",'
    f'"size":300,"url":"https://u.example/lineage/files/FP4/{THREE}.armani-3.zip"'
)
GOLDEN = {
    "/lineage/v1/FP4/nightly": (
        '{"response":[{"datetime":1767225603,"filename":"armani-3.zip",'
        f'"id":"{THREE}","romtype":"nightly","size":300,'
        f'"url":"https://u.example/lineage/files/FP4/{THREE}.armani-3.zip","version":"22.1"}}]}}'
    ),
    "/lineage/v2/devices/FP4/builds": (
        f'[{{"datetime":1767225603,"files":[{{{FILE_3}}}],"type":"nightly","version":"22.1"}}]'
    ),
    "/graphene/FP4-nightly": "1.3 1767225603 FP4 nightly\n",
    "/calyx/FP4-nightly": "1.3 1767225603 FP4 nightly\n",
    "/calyx/FP4-nightly-changelog.html": (
        "<!doctype html>\n<meta charset=utf-8>\n<p>Fixes &lt;b&gt; &amp; more.<br>\nAgain.\n"
    ),
    "/custota/FP4.json": (
        f'{{"full":{{"location_csig":"{THREE}.armani-3.zip.csig",'
        f'"location_ota":"{THREE}.armani-3.zip"}},"incremental":{{"{"e" * 64}":'
        f'{{"location_csig":"{STEP}.armani-3-from-2.zip.csig",'
        f'"location_ota":"{STEP}.armani-3-from-2.zip"}}}},"version":2}}'
    ),
    "/crdroid/FP4.json": (
        '{"response":[{"bootloader":"","buildtype":"",'
        f'"download":"https://u.example/crdroid/files/FP4/{THREE}.armani-3.zip",'
        '"filename":"armani-3.zip","firmware":"","forum":"","gapps":"","maintainer":"Zoë",'
        f'"md5":"{"d" * 32}","modem":"","paypal":"","recovery":"","sha256":"{THREE}","size":300,'
        '"telegram":"","timestamp":1767225603,"version":"11.2"}]}'
    ),
    "/pe/FP4/14": (
        f'{{"datetime":1767225603,"filehash":"{"d" * 32}","filename":"armani-3.zip",'
        f'"id":"{THREE}","size":300,"url":"https://u.example/pe/files/FP4/{THREE}.armani-3.zip",'
        '"version":"14"}'
    ),
    "/pe/FP4/15": (
        '{"datetime":0,"filehash":"","filename":"","id":"","size":0,"url":"","version":"15"}'
    ),
}
NOTHING = {
    "/lineage/v1/FP4/nightly": '{"response":[]}',
    "/lineage/v2/devices/FP4/builds": "[]",
    "/graphene/FP4-nightly": "0 0 FP4 nightly\n",
    "/calyx/FP4-nightly": "0 0 FP4 nightly\n",
    "/crdroid/FP4.json": '{"response":[]}',
    "/pe/FP4/14": (
        '{"datetime":0,"filehash":"","filename":"","id":"","size":0,"url":"","version":"14"}'
    ),
    "/pe/FP4/15": GOLDEN["/pe/FP4/15"],
}


def lists(model, now):
    """Return the bodies of all dialects' lists by path."""
    pages = {}
    for dialect in DIALECTS.values():
        pages |= dialect.lists(model, now)
    return {path: page.body.decode() for path, page in pages.items()}


def files(model, name):
    """Return one dialect's files by path."""
    return DIALECTS[name].files(model)


def faults(model, name, now=FROM):
    """Return a dialect's faults."""
    return list(DIALECTS[name].faults(model, now))


def test_bytes_of_a_complete_build():
    """A build is listed from the second at which it is complete."""
    assert lists(make_model(), FROM) == GOLDEN
    assert lists(make_model(), FROM - 1) != GOLDEN


def test_empty_answers():
    """Without a build, each dialect has its own empty answer; Custota has no file."""
    assert lists(make_model(make_shelf(None)), FROM) == NOTHING


def test_lists_have_no_validators():
    """A list has type, caching and length, but no ETag or Last-Modified."""
    (page,) = DIALECTS["lineage1"].lists(make_model(), FROM).values()
    assert page.fields.decode() == (
        "Content-Type: application/json\r\nCache-Control: public, max-age=60\r\n"
        f"Content-Length: {len(page.body)}\r\n\r\n"
    )


def test_paths_match_the_grammar():
    """Every list and file has a path that its dialect's grammar accepts."""
    model = make_model(lineage_incremental=True)
    for name, dialect in DIALECTS.items():
        for path in (*dialect.lists(model, FROM), *dialect.files(model)):
            assert re.fullmatch(dialect.grammar, path), (name, path)


def test_files_of_halted_and_withdrawn_builds():
    """A halted build's files stay; a withdrawn build's go when the device plane drops them."""
    items = [ITEMS[0], withdraw(ITEMS[1]), *ITEMS[2:]]
    model = make_model(make_shelf(items=items, absent=[ITEMS[1].path]))
    listed = files(model, "lineage1")
    assert listed[f"/lineage/files/FP4/{THREE}.armani-3.zip"] == Package(THREE, 300)
    assert listed[f"/lineage/files/FP4/{TWO}.armani-2.zip"] is GONE
    assert files(model, "graphene")["/graphene/FP4-ota_update-1.2.zip"] is GONE
    for end in ("", ".csig"):
        assert files(model, "custota")[f"/custota/{TWO}.armani-2.zip{end}"] is GONE
    missing = make_model(make_shelf(absent=[ITEMS[3].path]))
    assert f"/lineage/files/FP4/{THREE}.armani-3.zip" not in files(missing, "lineage1")


def test_build_without_a_required_label_is_not_listed():
    """A build without a required label is not listed, and the fault names package and label."""
    for name, label, path in (
        ("lineage1", "lineage.version", "/lineage/v1/FP4/nightly"),
        ("lineage2", "lineage.version", "/lineage/v2/devices/FP4/builds"),
        ("crdroid", "crdroid.version", "/crdroid/FP4.json"),
        ("crdroid", "md5", "/crdroid/FP4.json"),
        ("pixelexperience", "pe.version", "/pe/FP4/14"),
        ("pixelexperience", "md5", "/pe/FP4/14"),
    ):
        items = [*ITEMS[:3], relabel(ITEMS[3], **{label: ""}), ITEMS[4]]
        model = make_model(make_shelf(items=items))
        with case(name, label):
            assert lists(model, FROM)[path] == NOTHING[path]
            assert faults(model, name) == [f"armani/id/stable/armani-3.zip has no label {label}"]
            assert faults(make_model(), name) == []


def test_lineage_2_needs_a_minor_version():
    """A version without a minor number is a fault, because the app would never offer it.

    Malformed property files are left out, because they would break the list.
    """
    model = make_model(make_shelf(items=[relabel(ITEMS[3], **{"lineage.version": "22"})]))
    assert lists(model, FROM)["/lineage/v2/devices/FP4/builds"] == "[]"
    assert '"version":"22"' in lists(model, FROM)["/lineage/v1/FP4/nightly"]
    (fault,) = faults(model, "lineage2")
    assert fault.endswith("has lineage.version 22, but the app requires MAJOR.MINOR")
    items = [relabel(ITEMS[3], **{"lineage.property_files": "payload.bin:x:2"})]
    (element,) = json.loads(lists_of(make_model(make_shelf(items=items))))
    assert "ota_property_files" not in element["files"][0]


def test_lineage_2_list_stays_below_the_size_limit():
    """Elements are left out of a list that would exceed the app's size limit."""
    channel_offers = {}
    long = "payload.bin:1:2," + ",".join(f"part{n}:1:2" for n in range(80))
    for n in range(12):
        offers = make_shelf(
            items=[relabel(ITEMS[3], **{"lineage.property_files": long[:1000].rpartition(",")[0]})],
            name=f"type{n}",
        )
        channel_offers[offers.name] = offers
    model = make_model()
    model = type(model)(model.device, channel_offers, model.sources, model.options)
    body = lists_of(model)
    assert len(json.loads(body)) == 8
    assert len(body) <= 32_768


def lists_of(model):
    """Return the body of the list in version 2."""
    (page,) = DIALECTS["lineage2"].lists(model, FROM).values()
    return page.body


def test_lineage_2_incremental():
    """With the setting, the list has an incremental, and its package is served."""
    model = make_model(lineage_incremental=True)
    (element,) = json.loads(lists(model, FROM)["/lineage/v2/devices/FP4/builds"])
    assert [each["sha256"] for each in element["incremental"]] == [STEP]
    path = f"/lineage/files/FP4/{STEP}.armani-3-from-2.zip"
    assert files(model, "lineage2")[path] == Package(STEP, 302)
    assert path not in files(make_model(), "lineage2")


def test_graphene_file_names():
    """Full packages and current incrementals have the file names that the app derives."""
    late = [*ITEMS, make_item(3, 1)]
    assert files(make_model(make_shelf(items=late)), "graphene") == {
        "/graphene/FP4-ota_update-1.1.zip": Package(f"{100:064x}", 100),
        "/graphene/FP4-ota_update-1.2.zip": Package(TWO, 200),
        "/graphene/FP4-ota_update-1.3.zip": Package(THREE, 300),
        "/graphene/FP4-incremental-1-1.2.zip": Package(f"{201:064x}", 201),
        "/graphene/FP4-incremental-2-1.3.zip": Package(STEP, 302),
    }


def test_graphene_source_of_an_incremental():
    """An incremental's source is the fingerprint's fifth part, up to its colon."""
    assert (
        source_incremental("Hening/armani/armani:14/UKQ1/1.2.0-id:user/release-keys") == "1.2.0-id"
    )
    assert source_incremental("build-1") == ""


def test_graphene_needs_distinct_incrementals():
    """Two builds with one `incremental` value are not served, as one name would be two files.

    A value that cannot be in a file name is not served, either.
    """
    twin = make_item(3, incremental="1.2")
    model = make_model(make_shelf(make_pointer(3, c=2), [ITEMS[1], twin]))
    assert lists(model, FROM)["/graphene/FP4-nightly"] == "0 0 FP4 nightly\n"
    assert "/graphene/FP4-ota_update-1.2.zip" not in files(model, "graphene")
    assert any("two builds have the same incremental" in each for each in faults(model, "graphene"))
    model = make_model(make_shelf(make_pointer(3), [make_item(3, incremental="a/b")]))
    assert lists(model, FROM)["/graphene/FP4-nightly"] == "0 0 FP4 nightly\n"
    assert faults(model, "graphene") == [
        "armani/id/stable/armani-3.zip has an incremental that cannot be in a file name"
    ]


def test_custota_needs_csig_and_vbmeta():
    """Custota needs a csig, and for incrementals the label `vbmeta` of the source."""
    bare = [
        type(item)(
            item.path,
            msgspec.structs.replace(item.release, csig=msgspec.UNSET),
            item.length,
            item.sha256,
        )
        for item in ITEMS
    ]
    model = make_model(make_shelf(items=bare))
    assert "/custota/FP4.json" not in lists(model, FROM)
    assert files(model, "custota") == {}
    (fault,) = faults(model, "custota")
    assert "has no csig" in fault
    items = [relabel(ITEMS[1], vbmeta=""), *ITEMS[3:]]
    assert (
        "incremental" not in lists(make_model(make_shelf(items=items)), FROM)["/custota/FP4.json"]
    )


def test_settings_of_single_dialects():
    """`crdroid_shape` selects the newer format; `one_channel` names the only channel."""
    body = lists(make_model(crdroid_shape="array"), FROM)["/crdroid/FP4.json"]
    assert [each["version"] for each in json.loads(body)] == ["11.2"]
    found = lists(make_model(one_channel="other"), FROM)
    assert "/custota/FP4.json" not in found
    assert found["/crdroid/FP4.json"] == '{"response":[]}'


def test_staged_build_is_not_listed():
    """During a staged rollout every dialect lists the build before it."""
    found = lists(make_model(), START)
    assert all(THREE not in body and "1.3" not in body for body in found.values())
    assert POINTER.permille_at(START) == 500
