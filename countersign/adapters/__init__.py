"""The outside world: Temporal, Twilio, SendGrid, the key ring and the texts people read."""
