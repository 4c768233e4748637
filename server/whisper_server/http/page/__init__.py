"""A page on which people try the model: its files, what it asks, and the WebSocket over which it sends audio.

It is no API: the page and the server that serves it change together.
"""
