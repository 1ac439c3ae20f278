"""Build X.509 certificates in DER, element by element, to test the certificates of phones.

Source: ITU-T X.690 sections 8 and 10; RFC 5280 section 4.1.
"""


def tlv(tag, body):
    """Return a DER element with this tag and content; its length has the shortest form."""
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    data = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(data))) + data + body


def extension(identifier, value, critical=""):
    """Return an X.509 extension; arguments are in hex, and the value lacks its OCTET STRING."""
    members = tlv(0x06, bytes.fromhex(identifier)) + bytes.fromhex(critical)
    return tlv(0x30, members + tlv(0x04, bytes.fromhex(value)))


CONSTRAINTS = extension("551d13", "30030101ff", critical="0101ff")

#: Certificates by their unusual property. A library that reads every extension refuses each of
#: them.
EXTENSIONS_OF_ODD_FORM = {
    "a key usage that is empty": extension("551d0f", "030100"),
    "a key usage that is no string of bits": extension("551d0f", "0500"),
    "an alternative name of no type": extension("551d11", "3002a300"),
    "an alternative name of another type": extension("551d11", "3002a500"),
    "name constraints without names": extension("551d1e", "3000"),
    "name constraints that are no DER": extension("551d1e", "ff"),
    "policies that are cut short": extension("551d20", "3010"),
    "an extension without a value": extension("2a0304", ""),
}


def make_certificate(
    *extensions, version=2, between=(), behind=b"", extensions_at=0xA3, title=b"Root"
):
    """Return a certificate with `extensions`, by default with basic constraints alone.

    `version` is the encoded number, which counts from 0; None omits it. Key and signature are
    dummies.
    """
    algorithm = tlv(0x30, bytes.fromhex("06032b6570"))  # Ed25519
    name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403") + tlv(0x0C, title))))
    validity = tlv(0x30, tlv(0x17, b"260101000000Z") + tlv(0x17, b"360101000000Z"))
    key = tlv(0x30, algorithm + tlv(0x03, bytes(33)))
    listed = tlv(0x30, b"".join(extensions or [CONSTRAINTS]))
    signed = tlv(
        0x30,
        b"".join(
            (
                b"" if version is None else tlv(0xA0, tlv(0x02, bytes((version,)))),
                tlv(0x02, b"\1"),
                algorithm,
                name,
                validity,
                name,
                key,
                *between,
                b"" if extensions_at is None else tlv(extensions_at, listed),
                behind,
            )
        ),
    )
    return tlv(0x30, signed + algorithm + tlv(0x03, bytes(65)))
