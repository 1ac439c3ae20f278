"""Long runs of the device plane: load with faults, and fuzzing against aiohttp's own parser."""
