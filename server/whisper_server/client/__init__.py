"""`whisper-client`: transcription for people and scripts, over our own protocol; it needs no model and no codec.

`cli` reads the command line, `commands` do what it says with a `connection`, `uploads` and `live` are the two ways of
sending audio, `display` and `documents` show and keep what comes back.
"""

import os

# gRPC's core writes lines of its own format, read here when it is first imported; what they tell comes to us as errors.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
