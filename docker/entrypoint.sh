#!/bin/sh
# Fill variables from secret files, then become the command: a file AWS_SECRET_ACCESS_KEY in the folder of secrets sets the
# variable of that name. Nothing is printed, and no secret is on a command line.
set -eu
for file in "${IFRL_SECRETS:-/run/secrets}"/*; do
    [ -f "$file" ] || continue
    value=$(cat "$file")
    export "$(basename "$file")=$value"
done
exec "$@"
