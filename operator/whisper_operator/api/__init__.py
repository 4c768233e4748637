"""The WhisperModel as data: its names, its spec and status, its conditions and their reasons. Pure, frozen, no I/O."""
