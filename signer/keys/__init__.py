"""Key pairs of people: files, tokens, public halves, folders of them.

`public_key` is a key's public half, `key_file` its private half in a file, `hsm` on a token;
`key_folder` is a folder of them, `keystore` signs with it, `enrolment` adds keys that were made
elsewhere, `key_name` says how keys are named.
"""
