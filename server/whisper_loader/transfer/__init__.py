"""How the bytes of one file of a source get here: in parallel parts, in order, whatever the network does."""
