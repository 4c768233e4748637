"""What knows the model. Everything else sees `interface` only."""
