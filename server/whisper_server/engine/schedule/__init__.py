"""Who is served when: rows of many owners, a few at a time, through one model. It knows nothing of Whisper."""
