"""hening-device: the phone simulator and the privacy lab, written from docs/FORMATS.md alone."""
