"""OpenAI's audio and models endpoints over HTTP, over the same transcriber as gRPC.

What they are: https://platform.openai.com/docs/api-reference/audio and …/api-reference/models.
"""
