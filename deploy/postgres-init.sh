#!/bin/sh
# Runs once, when the volume is new: the databases' roles, each with its own password.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
    --set temporal="$TEMPORAL_DB_PASSWORD" --set owner="$COUNTERSIGN_OWNER_PASSWORD" --set app="$COUNTERSIGN_APP_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal';
CREATE ROLE countersign_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE countersign_app NOLOGIN;
CREATE ROLE countersign_app_login LOGIN PASSWORD :'app' IN ROLE countersign_app;
CREATE DATABASE countersign OWNER countersign_owner;
SQL
