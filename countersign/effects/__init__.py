"""Effects: what happens to credentials and requests, each in one transaction with its audit event."""
