"""Verifying the calls that come to trading gateways: is it the owner's, and may it be carried out."""
