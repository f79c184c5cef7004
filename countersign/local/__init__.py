"""The local stack: everything real and embedded on one machine, on loopback only."""
