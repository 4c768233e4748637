"""What tells an operator how the server is: log, metrics, probes. Knows no call and no model."""
