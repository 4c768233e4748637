"""The subcommands of ``whisper-model``: one module each, with `add_to`, which declares it, and `run`."""
