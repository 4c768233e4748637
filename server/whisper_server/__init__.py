"""The transcription server: one published artifact, served over gRPC and HTTP.

Front ends (`rpc`, `http`) turn their own messages into one `Job` and back; `transcriber` admits, decodes and hands the
audio to the `engine`, which alone knows the model. `serve` is the life of the process, `configuration` everything that
can be set.
"""

import os

# The features of a window need one product of matrices, a few milliseconds of one thread. With more of them OpenBLAS
# lets the others spin for tens of milliseconds afterwards, on cores that the model needs: of one caller's short clips
# that was more than a third of all CPU time. It reads this when numpy is imported, so it stands before everything.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
