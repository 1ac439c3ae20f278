"""The instrument for cloud backups: what leaves a phone when its backup is off, and when it is on.

In order of imports:

requests, double, doors      requests, and a server in this process, written from FORMATS section 17
world, phone, lives          a phone's environment, the interface of a client, and its scenarios
reader                       decrypts without the phone's code
keyring, items, opening      explain each byte, decrypted with the owner's keys
judges, lies, beside         the methods for clients, each a column of the kill matrix
blind                        the checks of a server
leaks, insides, tampering    leaky clients as rows of a table, and how they are built
programme, report            the examination of one client; shown by `hening-device lab cloud`
"""
