#!/bin/sh
# Starts PostgreSQL with TLS. It wants the key as a file that it alone may read, which what Compose shows is not.
set -eu
install -m 600 -o postgres -g postgres /run/secrets/postgres_key /var/lib/postgresql/server.key
exec docker-entrypoint.sh postgres \
    -c ssl=on -c ssl_cert_file=/etc/postgres-certificate.pem -c ssl_key_file=/var/lib/postgresql/server.key
