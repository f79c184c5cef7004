"""Countersign issues trading credentials through durable approvals."""
