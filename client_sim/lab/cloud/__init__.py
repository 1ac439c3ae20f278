"""The instrument for cloud backups: what leaves a phone when its backup is off, and when it is on.

In order of imports:

requests, double, double_handlers
                             requests, and a server in this process, written from FORMATS section 17
world, phone, scenarios      a phone's environment, the interface of a client, and its scenarios
decryption                   decrypts without the phone's code
keyring, items, explanation  explain each byte, decrypted with the owner's keys
judges, lying_servers, independence
                             the methods for clients, each a column of the kill matrix
server_checks                the checks of a server
leaks, patches, tampering    leaky clients as rows of a table, and how they are built
programme, report            the examination of one client; shown by `hening-device lab cloud`
"""
