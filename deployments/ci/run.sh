#!/bin/sh
# Deploy, run a pipeline on the work pools, and fail when the run fails or its gain is below a bound.
#
#   PREFECT_API_URL=https://prefect.example/api IFRL_ROOT=s3://bucket/ifrl \
#   IFRL_RECIPE=demo-cpu IFRL_OVERRIDES='policy.max_steps=20 seed=1' IFRL_MIN_GAIN=0 sh run.sh
#
#   PREFECT_API_URL   the server (required)
#   IFRL_ROOT         the store of the workers, so that the run's record can be read here (required)
#   IFRL_DEPLOYMENT   what is run; default pipeline/pipeline
#   IFRL_RECIPE       a shipped recipe, or the path of a recipe on the worker's machine; default demo-cpu
#   IFRL_OVERRIDES    changes to it, separated by blanks (one a line where a value holds blanks)
#   IFRL_MIN_GAIN     least lower end of the gain's 95% interval, in points of satisfaction; default 0
#   IFRL_BOUND        low (default) or mean: what IFRL_MIN_GAIN bounds
#   IFRL_TIMEOUT_S    seconds until the build gives up and cancels the run; default 86400
#
# Exit codes: 0 good; 1 the run did not complete; 2 its gain is below the bound, or was not measured; 3 a variable is missing.
set -eu

if [ -z "${PREFECT_API_URL:-}" ] || [ -z "${IFRL_ROOT:-}" ]; then
    echo "set PREFECT_API_URL (the Prefect server) and IFRL_ROOT (the store of its workers)" >&2
    exit 3
fi
deployment=${IFRL_DEPLOYMENT:-pipeline/pipeline}
recipe=${IFRL_RECIPE:-demo-cpu}
minimum=${IFRL_MIN_GAIN:-0}
bound=${IFRL_BOUND:-low}
timeout=${IFRL_TIMEOUT_S:-86400}
python=${PYTHON:-python3}

# A JSON list of the overrides: by line where there are lines, else by blanks.
overrides=$("$python" -c '
import json, sys
text = sys.argv[1]
print(json.dumps([part.strip() for part in (text.splitlines() if "\n" in text.strip() else text.split()) if part.strip()]))
' "${IFRL_OVERRIDES:-}")

ifrl deploy

# The run's id, so that this build reads its own run, whatever else runs there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
    status=0
    prefect --no-prompt deployment run "$deployment" -p "recipe=$recipe" -p "overrides=$overrides" \
        --watch --watch-timeout "$timeout" 2>&1 || status=$?
    echo "$status" > "$work/status"
} | tee "$work/log"
status=$(cat "$work/status")
run=$(sed -n 's/.*UUID: *\([0-9a-f-]\{36\}\).*/\1/p' "$work/log" | head -n 1)
if [ "$status" -ne 0 ]; then
    # A build that gives up must not leave the run going; cancelling one that has ended is refused, and no harm.
    if [ -n "$run" ]; then prefect --no-prompt flow-run cancel "$run" > /dev/null 2>&1 || true; fi
    echo "the run did not complete" >&2
    exit 1
fi

ifrl report "$run" --min-gain "$minimum" --bound "$bound"
