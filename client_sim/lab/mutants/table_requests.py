"""Leaks of plain and encoded values, and by the form of a request (L01 to L32).

Values are encoded, hashed, encrypted, or split into pieces. Other rows leak by a request's target,
or by what it says about the phone.
"""

from typing import Final

from client_sim.lab.mutants import covert, encodings, places, sources, triggers
from client_sim.lab.mutants.rows import Row, transport_row

_STATISTICS: Final = "stats.example.org"
_BIT: Final = (encodings.PARITY,)
_ODD: Final = (encodings.ODD,)
_LABEL: Final = (encodings.digest("sha256", 12),)
_SHORT: Final = (encodings.digest("sha256", 16),)
_HEX: Final = (encodings.HEX,)
_ACCOUNTS: Final = "api.account.example.org"
_FORM: Final = (encodings.AES_CBC, encodings.BASE64, encodings.QUOTED)

ROWS: Final = (
    # Plain values, including the reports of 2014.
    Row(
        "register-2014",
        "L01",
        sources.REPORT_2014,
        (),
        covert.post(_ACCOUNTS, "/pass/register"),
    ),
    Row(
        *("activate-messaging", "L01", sources.detail("sim-inserted", "imsi"), ()),
        covert.post(_ACCOUNTS, "/messaging", "sim-inserted"),
    ),
    Row("imei-query", "L02", sources.IMEI, (encodings.QUOTED,), places.query("i")),
    Row("phone-fragment", "L02", sources.PHONE, (encodings.QUOTED,), places.after_path("#")),
    # In another alphabet.
    Row("phone-base64-header", "L03", sources.PHONE, (encodings.BASE64,), places.header("X-D")),
    transport_row(
        *("advertising-id-beneath", "L03", sources.ADVERTISING_ID, (encodings.BASE85,)),
        places.header("X-Trace"),
    ),
    # Digests: plain, salted, keyed and truncated.
    Row("book-sha256-body", "L04", sources.NUMBERS, (encodings.EACH_SHA256,), places.BODY),
    transport_row(
        *("iccid-sha3-beneath", "L04", sources.ICCID, (encodings.digest("sha3_256"),)),
        places.header("X-Sim"),
    ),
    Row(
        *("salt-alongside-query", "L05", sources.ANDROID_ID, (encodings.SALT_ALONGSIDE,)),
        places.query("u"),
    ),
    transport_row(
        "serial-salted-beneath", "L05", sources.SERIAL, (encodings.SALTED,), places.header("X-Key")
    ),
    Row(
        *("everything-hmac-cookie", "L06", sources.EVERYTHING, (encodings.keyed(6),)),
        places.cookie("state"),
    ),
    transport_row(
        *("imsi-hmac-beneath", "L06", sources.IMSI, (encodings.keyed(12),)),
        places.header("X-Request-Id"),
    ),
    # Encrypted: with a key that all phones share, one that is sent along, or one of the system.
    Row(
        *("aes-form-2014", "L07", sources.FORM_2014, _FORM),
        covert.post("", "/updates/ask", begin="s=1&t=&q="),
    ),
    transport_row(
        *("account-cipher-beneath", "L07", sources.ACCOUNT, (encodings.CHACHA, encodings.HEX)),
        places.header("X-Session"),
    ),
    Row(
        *("xor-kept-pad", "L08", sources.GSF_ID, (encodings.XOR_STORED, encodings.BASE64)),
        places.cookie("blob"),
    ),
    transport_row(
        *("xor-beneath", "L08", sources.IMEI, (encodings.XOR_FRESH, encodings.HEX)),
        places.header("X-Blob"),
    ),
    Row("sealed-account-body", "L09", sources.ACCOUNT, (encodings.SEALED,), places.BODY),
    transport_row(
        *("fresh-nonce-beneath", "L09", sources.IMEI, (encodings.GCM, encodings.BASE64)),
        places.header("X-Blob"),
    ),
    Row("ephemeral-of-imei", "L10", sources.IMEI, (encodings.EPHEMERAL,), places.BODY),
    transport_row(
        *("nonce-beneath", "L10", sources.ANDROID_ID, (encodings.NONCE, encodings.HEX)),
        places.header("X-Nonce"),
    ),
    # Compressed, and in many layers.
    Row("book-gzip-body", "L11", sources.BOOK, (encodings.GZIP,), places.BODY),
    transport_row("notes-zlib-beneath", "L11", sources.NOTES, (encodings.ZLIB,), places.BODY),
    Row(
        *("imei-three-layers", "L12", sources.IMEI),
        (encodings.REVERSED, encodings.HEX, encodings.BASE64),
        places.header("X-D"),
    ),
    transport_row(
        *("serial-layers-beneath", "L12", sources.SERIAL),
        (encodings.GZIP, encodings.BASE85, encodings.HEX),
        places.header("X-D"),
    ),
    # In pieces: over the fields of a request, over requests, over the polls of a week.
    Row("over-requests", "L13", sources.IMSI, (), places.OVER_REQUESTS),
    transport_row("halves-beneath", "L13", sources.IMEI, (), places.HALVES),
    Row("name-drip", "L14", sources.IMEI, (encodings.DRIP,), covert.lookup("{}.edge.{host}")),
    transport_row("root-drip-beneath", "L14", sources.IMEI, (encodings.DRIP,), places.ROOT_VERSION),
    # Honest requests in a revealing form: case, order, length, spaces, method, version.
    Row("host-case", "L15", sources.ANDROID_ID, (), places.HOST_CASE),
    transport_row(
        *("header-case-beneath", "L15", sources.IMEI, _BIT),
        places.rewritten(b"\r\nHost:", b"\r\nhost:", "as the case of a letter"),
    ),
    Row("request-order", "L16", sources.MESSAGES, _ODD, places.REQUEST_ORDER),
    transport_row("header-order-beneath", "L16", sources.IMEI, _BIT, places.LINE_ORDER),
    Row("padding-body", "L17", sources.MESSAGES, (), places.ZEROS),
    transport_row("pieces-beneath", "L17", sources.IMEI, _BIT, places.LINES),
    Row("empty-lines-first", "L18", sources.CONTACTS, (encodings.modulo(4),), places.EMPTY_LINES),
    transport_row(
        *("tab-beneath", "L18", sources.IMEI, _BIT),
        places.rewritten(b"Host: ", b"Host:\t", "as a tab instead of a space"),
    ),
    Row("options-first", "L19", sources.MESSAGES, (encodings.EVEN,), places.OPTIONS),
    transport_row(
        *("version-beneath", "L19", sources.IMEI, _BIT),
        places.rewritten(b"HTTP/1.1", b"HTTP/1.0", "as the version of HTTP"),
    ),
    # Hosts, names and other parties.
    Row("label-host", "L20", sources.IMEI, _LABEL, covert.HOST_LABEL),
    Row(
        *("sender-lookup", "L21", sources.detail("sms-received", "number"), (encodings.LABEL,)),
        covert.lookup("{}.sms.example.org", "sms-received"),
    ),
    transport_row("label-lookup-beneath", "L21", sources.IMEI, _LABEL, covert.lookup("{}.{host}")),
    Row(
        *("call-reporter", "L22", sources.detail("call-received", "number"), ()),
        covert.post(_STATISTICS, "/call", "call-received"),
    ),
    transport_row(
        *("report-beneath", "L22", sources.ANDROID_ID, _SHORT),
        covert.post(_STATISTICS, "/m", "connect", 443),
    ),
    Row("session-parameter", "L23", sources.ICCID, _SHORT, places.after_path(";s=")),
    transport_row(
        *("catalogue-beneath", "L23", sources.GSF_ID, _SHORT),
        covert.sent_to(
            "",
            lambda value: b"GET /v1/catalog/%s HTTP/1.1\r\nHost: {host}\r\n\r\n" % value,
            "connect",
        ),
    ),
    # Headers that libraries and settings add.
    Row(
        *("platform-agent", "L24", sources.MODEL, ()),
        places.header("User-Agent", "Dalvik/2.1.0 (Linux; U; Android 14; {})"),
    ),
    Row(
        *("agent-of-install", "L24", sources.drawn_once("version", 1), (encodings.modulo(8),)),
        places.header("User-Agent"),
    ),
    Row(
        *("agent-after-restart", "L24", sources.MODEL, (), places.header("User-Agent")),
        triggers.RESTARTED,
    ),
    Row(
        *("zstd-always", "L25", sources.SOMETHING, ()),
        places.rewritten(b": gzip", b": gzip, zstd", "as an additional coding"),
    ),
    Row(
        *("codings-of-battery", "L25", sources.SOMETHING, ()),
        places.rewritten(b": gzip", b": identity", "as the coding"),
        triggers.owners("whose battery is low", lambda owner: owner.battery_percent <= 50),
    ),
    Row("locale-cookie", "L26", sources.LANGUAGE, (encodings.QUOTED,), places.cookie("lang")),
    transport_row("language-beneath", "L26", sources.LOCALE, (), places.header("Accept-Language")),
    # The phone's location, state and apps.
    Row(
        *("carrier-of-sim", "L27", sources.detail("sim-inserted", "carrier"), (encodings.QUOTED,)),
        places.header("X-Carrier"),
    ),
    transport_row(
        "carrier-lookup-beneath",
        "L27",
        sources.CARRIER,
        (encodings.LABEL,),
        covert.lookup("{}.x"),
    ),
    Row("exact-date", "L28", sources.NOW, (), places.header("X-Date")),
    Row("polls-at-night", "L28", sources.OFFSET, (), covert.IN_THE_NIGHT),
    Row("started-at", "L29", sources.STARTED, (), places.header("X-Since")),
    Row(
        *("low-battery", "L29", sources.SOMETHING, (), places.WITHOUT_ROOT),
        triggers.owners("whose battery is low", lambda owner: owner.battery_percent <= 20),
    ),
    Row(
        *("app-report", "L30", sources.detail("app-installed", "app"), (encodings.QUOTED,)),
        covert.post("", "/installed", "app-installed"),
    ),
    transport_row(
        *("first-app-beneath", "L30", sources.FIRST_APP, (encodings.QUOTED,)),
        places.header("X-Requested-With"),
    ),
    # Identifiers without any owner's data: permanent, or new for each request or poll.
    Row("install-uuid", "L31", sources.OWN_UUID, (), places.cookie("uuid")),
    transport_row("secret-beneath", "L31", sources.SECRET, _SHORT, places.header("X-Rollout")),
    Row("request-identifier", "L32", sources.FRESH_UUID, (), places.header("X-Request-Id")),
    transport_row(
        "request-identifier-beneath", "L32", sources.drawn(8), _HEX, places.header("X-Request-Id")
    ),
)
