"""What a process tells of itself: metrics, spans, and which call and request a line is about."""
