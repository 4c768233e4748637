"""Brings a Whisper model from where it lives into the store on a volume: the command ``whisper-model``.

`sources` knows how to reach S3, the Hugging Face Hub and files; `archive` how to read and write tar archives; `model`
what a Whisper model is and how it becomes CTranslate2's; `store` how an artifact is published; `steps` puts these
together as the three steps of a pull, and `commands` gives them to people and to the Job's pods.
"""
