"""The transcription server: one published artifact, served over gRPC.

Front ends (`rpc`) turn their own messages into one `Job` and back; `transcriber` admits, decodes and hands the audio to
the `engine`, which alone knows the model. `serve` is the life of the process, `settings` everything that can be set.
"""
