"""Google's services: Cloud Storage and Drive."""
