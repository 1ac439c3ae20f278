"""Content packs: what is built, checked and signed of what phones fetch beside updates."""
