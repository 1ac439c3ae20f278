"""Content packs: what phones fetch beside updates, and the rules that signer and server share."""
