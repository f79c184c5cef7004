#!/bin/sh
# Runs once, when the volume is new: the databases' roles, each with its own password; and over the network TLS alone.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" <<'SQL'
-- Whatever goes wrong, no password is logged.
SET log_statement = none;
SET log_min_error_statement = panic;
\set temporal `cat "$SECRETS/temporal_database_password"`
\set owner `cat "$SECRETS/countersign_owner_password"`
\set app `cat "$SECRETS/countersign_app_password"`
\set verifier `cat "$SECRETS/countersign_verifier_password"`
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal';
CREATE ROLE countersign_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE countersign_app NOLOGIN;
CREATE ROLE countersign_app_login LOGIN PASSWORD :'app' IN ROLE countersign_app;
CREATE ROLE countersign_verifier NOLOGIN;
CREATE ROLE countersign_verifier_login LOGIN PASSWORD :'verifier' IN ROLE countersign_verifier;
CREATE DATABASE countersign OWNER countersign_owner;
SQL
sed -i 's/^host all all all/hostssl all all all/' "$PGDATA/pg_hba.conf"
