"""The settings of the server, their defaults, and reading them from flags, environment and a file."""
