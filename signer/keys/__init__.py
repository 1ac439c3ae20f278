"""People's key pairs: key files, tokens, public halves and key folders.

`public_key` is a key's public half. Its private half is in a file (`key_file`) or on a token
(`hsm`). `keystore` signs with the keys of a folder, `enrolment` adds keys that were made elsewhere,
`key_name` defines the names of keys.
"""
