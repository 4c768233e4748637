"""The visit to a WhisperModel that is being deleted and has our finalizer: its artifacts go before it does.

leaving    what is there, and what is to be done about it (pure)
farewell   carrying that out
"""
