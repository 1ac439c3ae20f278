"""A certificate for loopback, as an operator's own CA would issue it."""

import datetime as dt
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_certificate(folder, *names):
    """Write a certificate for 127.0.0.1 and `names`, its key, and the key with a password."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hening")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    held = x509.SubjectAlternativeName([address, *(x509.DNSName(each) for each in names)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=40_000))
        .add_extension(held, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = [folder / name for name in ("cert.pem", "key.pem", "locked.pem")]
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    for file, encryption in (
        (files[1], serialization.NoEncryption()),
        (files[2], serialization.BestAvailableEncryption(b"password")),
    ):
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        file.write_bytes(key.private_bytes(*pem, encryption))
    return files
