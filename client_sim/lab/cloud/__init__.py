"""The instrument for cloud backups: what leaves a phone when it is off, and when it is on.

In order of imports:

requests, double, doors      requests, and a server in this process, written from FORMATS section 17
world, phone, lives          a phone's environment, the interface of a client, what happens to it
reader                       what ciphertexts say, read without the phone's code
keyring, items, opening      what each byte is, opened with the owner's keys
judges, lies, beside         what is asked of a client: one method each, a column of the kill matrix
blind                        what is asked of a server
leaks, insides, tampering    leaky clients as rows of a table, and what builds them
programme, report            all of it for one client; `hening-device lab cloud` shows it
"""
