"""What a Whisper model is: its files, its two formats, and the way from one to the other."""
