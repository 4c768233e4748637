"""What operator, loader and server agree on.

Pure data and its text forms: digests, manifests, reasons and exit codes, termination messages, progress lines, source
URIs and the names inside a store. No I/O, no dependencies: every part, and a user's own tools, can read it.
"""
