"""Who may call: tokens and certificates from mounted files, read anew when they change. Knows no protocol."""
