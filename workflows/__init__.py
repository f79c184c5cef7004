"""The journeys: each one a durable workflow that waits for people."""
