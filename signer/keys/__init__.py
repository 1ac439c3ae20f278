"""Key pairs of people: files, tokens, public halves, folders of them.

`public_key` is a key's public half, `key_file` its private half in a file, `hsm` on a token;
`keystore` is a folder of them that signs, `enrolment` adds keys that were made elsewhere,
`key_name` says how keys are named.
"""
