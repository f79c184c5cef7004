"""The rules: pure values and functions, no I/O."""
