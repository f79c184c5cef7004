"""The keys that a verifier is given: enough to check signatures and passwords, and for nothing else."""

from countersign.adapters.keyring import Purpose

VERIFIER_PURPOSES = frozenset({Purpose.VERIFIER, Purpose.FIX_PASSWORD, Purpose.KEY_CHECK})
