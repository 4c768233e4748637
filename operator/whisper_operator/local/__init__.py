"""`whisper-operator up`: the WhisperModels of a file as processes of this machine, without a cluster.

`content` reads the file, and `schema` and `rules` (with `fields`) check it as the API server would; `plan` decides, in
pure functions, what is run; `pulling` and `serving` run it, `model` looks after one WhisperModel, `supervisor` after
the file. Loader and server are run as processes, never imported; nothing here needs kopf or the Kubernetes client.
"""
