"""An archive at any URL."""
