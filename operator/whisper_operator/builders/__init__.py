"""Pure functions from a WhisperModel and the settings to the objects that serve it: one kind a file, no I/O.

None means that the object must not exist. Nothing here looks at what exists already.
"""
