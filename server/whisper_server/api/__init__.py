"""`whisper.v1`: messages, client and base class of our own protocol, written by `make proto` from server/proto."""
