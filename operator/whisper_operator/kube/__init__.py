"""The only code that talks to the API server (kopf's watches aside). Objects go in and come out as their JSON."""
