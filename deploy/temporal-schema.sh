#!/bin/sh
# Makes Temporal's two databases, or brings their schema up to date; how to reach PostgreSQL stands in SQL_….
set -eu
for database in temporal temporal_visibility; do
    folder=temporal
    [ "$database" = temporal ] || folder=visibility
    tool() { temporal-sql-tool --db "$database" "$@"; }
    # The first two fail where it is there already; if for another reason, the third fails too.
    tool create || true
    tool setup-schema -v 0.0 || true
    tool update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
