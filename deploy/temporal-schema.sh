#!/bin/sh
# Makes Temporal's two databases, or brings their schema up to date.
set -eu
for database in temporal temporal_visibility; do
    folder=temporal
    [ "$database" = temporal ] || folder=visibility
    tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p 5432 -u "$POSTGRES_USER" --pw "$POSTGRES_PWD" --db "$database" "$@"; }
    tool create || true
    tool setup-schema -v 0.0 || true
    tool update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
