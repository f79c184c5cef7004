"""Auditing: what ops do with audit trails as wholes: verify, export and archive them."""
