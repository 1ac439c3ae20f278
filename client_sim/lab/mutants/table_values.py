"""Leaks of values: in the open, encoded, digested, enciphered, in pieces (L01 to L14)."""

from typing import Final

from client_sim.lab.mutants import encodings, outside, places, sources
from client_sim.lab.mutants.rows import Row, beneath

_ACCOUNTS: Final = "api.account.example.org"
_FORM: Final = (encodings.AES_CBC, encodings.BASE64, encodings.QUOTED)

ROWS: Final = (
    # In the open: what vendors reported in 2014, and values as they are.
    Row("register-2014", "L01", sources.REPORT_2014, (), outside.post(_ACCOUNTS, "/pass/register")),
    Row(
        *("activate-messaging", "L01", sources.detail("sim-inserted", "imsi"), ()),
        outside.post(_ACCOUNTS, "/messaging", "sim-inserted"),
    ),
    beneath(
        *("register-beneath", "L01", sources.IMSI, ()),
        outside.post(_ACCOUNTS, "/sim", "connect", 443),
    ),
    Row("imei-query", "L02", sources.IMEI, (encodings.QUOTED,), places.query("i")),
    Row("phone-fragment", "L02", sources.PHONE, (encodings.QUOTED,), places.behind_path("#")),
    beneath("mac-query-beneath", "L02", sources.BLUETOOTH_MAC, (), places.query("bt")),
    # In other letters.
    Row("phone-base64-header", "L03", sources.PHONE, (encodings.BASE64,), places.header("X-D")),
    Row("serial-header-name", "L03", sources.SERIAL, (encodings.BASE32,), places.HEADER_NAME),
    beneath(
        *("advertising-id-beneath", "L03", sources.ADVERTISING_ID, (encodings.BASE85,)),
        places.header("X-Trace"),
    ),
    # Digests: plain, salted, keyed and cut short.
    Row(
        *("imei-sha256-header", "L04", sources.IMEI, (encodings.digest("sha256"),)),
        places.header("X-Device"),
    ),
    Row("book-sha256-body", "L04", sources.NUMBERS, (encodings.EACH_SHA256,), places.BODY),
    beneath(
        *("iccid-sha3-beneath", "L04", sources.ICCID, (encodings.digest("sha3_256"),)),
        places.header("X-Sim"),
    ),
    Row("imei-salted-header", "L05", sources.IMEI, (encodings.SALTED,), places.header("X-Device")),
    Row(
        *("salt-alongside-query", "L05", sources.ANDROID_ID, (encodings.SALT_ALONGSIDE,)),
        places.query("u"),
    ),
    beneath(
        "serial-salted-beneath", "L05", sources.SERIAL, (encodings.SALTED,), places.header("X-Key")
    ),
    Row("imei-keyed-header", "L06", sources.IMEI, (encodings.keyed(8),), places.header("X-Device")),
    Row(
        *("everything-hmac-cookie", "L06", sources.EVERYTHING, (encodings.keyed(6),)),
        places.cookie("state"),
    ),
    beneath(
        *("imsi-hmac-beneath", "L06", sources.IMSI, (encodings.keyed(12),)),
        places.header("X-Request-Id"),
    ),
    # Under a key: one that all phones share, one that travels alongside, one of the system's own.
    Row(
        *("aes-form-2014", "L07", sources.FORM_2014, _FORM),
        outside.post("", "/updates/ask", begin="s=1&t=&q="),
    ),
    Row(
        *("aes-counter-query", "L07", sources.IMSI, (encodings.AES_CTR, encodings.HEX)),
        places.query("q"),
    ),
    beneath(
        *("account-cipher-beneath", "L07", sources.ACCOUNT, (encodings.CHACHA, encodings.HEX)),
        places.header("X-Session"),
    ),
    Row(
        *("xor-one-octet", "L08", sources.IMEI, (encodings.XOR_FRESH, encodings.HEX)),
        places.header("X-Blob"),
    ),
    Row(
        *("xor-kept-pad", "L08", sources.GSF_ID, (encodings.XOR_KEPT, encodings.BASE64)),
        places.cookie("blob"),
    ),
    beneath(
        *("xor-beneath", "L08", sources.IMEI, (encodings.XOR_FRESH, encodings.HEX)),
        places.header("X-Blob"),
    ),
    Row(
        *("gcm-fresh-nonce", "L09", sources.IMEI, (encodings.GCM, encodings.BASE64)),
        places.header("X-Blob"),
    ),
    Row("sealed-account-body", "L09", sources.ACCOUNT, (encodings.SEALED,), places.BODY),
    beneath(
        *("fresh-nonce-beneath", "L09", sources.IMEI, (encodings.GCM, encodings.BASE64)),
        places.header("X-Blob"),
    ),
    Row("ephemeral-of-imei", "L10", sources.IMEI, (encodings.EPHEMERAL,), places.BODY),
    Row(
        *("ground-nonce", "L10", sources.SERIAL, (encodings.GROUND_NONCE, encodings.HEX)),
        places.header("X-Nonce"),
    ),
    beneath(
        *("nonce-beneath", "L10", sources.ANDROID_ID, (encodings.NONCE, encodings.HEX)),
        places.header("X-Nonce"),
    ),
    # Compressed, and in many layers.
    Row("book-gzip-body", "L11", sources.BOOK, (encodings.GZIP,), places.BODY),
    Row("apps-bzip2-body", "L11", sources.APPS, (encodings.BZIP2,), places.BODY),
    beneath("notes-zlib-beneath", "L11", sources.NOTES, (encodings.ZLIB,), places.BODY),
    Row(
        *("imei-three-layers", "L12", sources.IMEI),
        (encodings.REVERSED, encodings.HEX, encodings.BASE64),
        places.header("X-D"),
    ),
    Row(
        *("android-id-masked", "L12", sources.ANDROID_ID),
        (encodings.MASKED, encodings.BASE64, encodings.BASE32),
        places.header("X-D"),
    ),
    beneath(
        *("serial-layers-beneath", "L12", sources.SERIAL),
        (encodings.GZIP, encodings.BASE85, encodings.HEX),
        places.header("X-D"),
    ),
    # In pieces: over the fields of a request, over requests, over the polls of a week.
    Row("halves-in-headers", "L13", sources.IMEI, (), places.HALVES),
    Row("over-requests", "L13", sources.IMSI, (), places.OVER_REQUESTS),
    beneath("halves-beneath", "L13", sources.IMEI, (), places.HALVES),
    Row("root-drip", "L14", sources.IMEI, (encodings.DRIP,), places.ROOT_VERSION),
    Row("name-drip", "L14", sources.IMEI, (encodings.DRIP,), outside.lookup("{}.edge.{host}")),
    beneath("root-drip-beneath", "L14", sources.IMEI, (encodings.DRIP,), places.ROOT_VERSION),
)
