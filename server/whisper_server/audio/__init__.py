"""From the bytes that a client sends to the samples that a model takes."""
