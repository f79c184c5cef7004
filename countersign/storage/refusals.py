"""Why the database cannot be reached, in words of ours: what libpq says may hold the address, and that the password."""

# What libpq says where TLS does not come about, and what is to be done.
_SIGNS = {
    "certificate verify failed": "Its certificate is of no authority that is trusted: see sslrootcert in DATABASE_URL.",
    "does not match host name": "Its certificate is for another host: see the host in DATABASE_URL.",
    "root certificate": "The file of sslrootcert in DATABASE_URL cannot be used: is it there, and PEM?",
    "certificate file": "The file of sslcert in DATABASE_URL cannot be used: is it there, and PEM?",
    "private key file": "The file of sslkey in DATABASE_URL cannot be used: is it there, PEM, and its owner's alone?",
    "does not support SSL": "It has no TLS, and DATABASE_URL demands it: see ssl in postgresql.conf.",
    "no encryption": "It takes no connection without TLS: add sslmode=verify-full to DATABASE_URL.",
    "requires a valid client certificate": "It demands a client certificate: see sslcert and sslkey in DATABASE_URL.",
}


def why_not(error: Exception) -> str:
    """Return what keeps a connection from being made, and what is to be done."""
    told = next((told for sign, told in _SIGNS.items() if sign in str(error)), "")
    return told or f"It cannot be reached, or read, by DATABASE_URL ({type(error).__name__})."
