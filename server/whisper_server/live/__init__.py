"""Speech as it is spoken: where utterances end, what is agreed of them, and what is said in between."""
