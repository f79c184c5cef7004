#!/bin/sh
# Starts a program that knows no files of secrets: the file postgres_pwd becomes its variable POSTGRES_PWD, and so on.
# So the value stands in the environment of that one process, and in none that `docker inspect` shows.
set -eu
for file in "${SECRETS:-/run/secrets}"/*; do
    name=$(basename "$file" | tr '[:lower:]' '[:upper:]')
    value=$(cat "$file")
    export "$name=$value"
done
exec "$@"
