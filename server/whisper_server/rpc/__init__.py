"""The gRPC front end."""

import os

# gRPC's core writes lines of its own format, read here when it is first imported; what they tell comes to us as errors.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
