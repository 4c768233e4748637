"""The store on a volume: private staging folders, published artifacts, and which source became which artifact."""
