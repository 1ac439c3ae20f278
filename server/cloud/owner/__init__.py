"""The account door: the JSON API with which owners' devices manage their account.

    routes    the routes below `/account/1/`; usage and program tokens
    devices   sessions, device keys, and approval of new devices
    keys      recovery words, and rotation of the account key
    page      `/owner/TOKEN`: the owner's web page, and links to it

Source: docs/FORMATS.md section 17.
"""
