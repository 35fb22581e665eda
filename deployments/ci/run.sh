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
#   IFRL_CRASHED_S    seconds that a crashed run has to be started again before the build gives up; default 300
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
patience=${IFRL_CRASHED_S:-300}
python=${PYTHON:-python3}

# A JSON list of the overrides: by line where there are lines, else by blanks.
overrides=$("$python" -c '
import json, sys
text = sys.argv[1]
print(json.dumps([part.strip() for part in (text.splitlines() if "\n" in text.strip() else text.split()) if part.strip()]))
' "${IFRL_OVERRIDES:-}")

work=$(mktemp -d)
run='' watcher='' state=UNKNOWN

# The run's id, so that this build reads, and ends, its own run, whatever else runs there.
started_run() { sed -n 's/.*UUID: *\([0-9a-f-]\{36\}\).*/\1/p' "$work/log" 2> /dev/null | head -n 1; }

# Whatever ends this build, a time limit or a newer build: its run does not go on without it.
finish() {
    if [ -n "$watcher" ]; then kill "$watcher" 2> /dev/null || true; fi
    run=$(started_run)
    case "$state" in
        COMPLETED | FAILED | CANCELLED | CRASHED) ;;
        *) if [ -n "$run" ]; then prefect --no-prompt flow-run cancel "$run" || true; fi ;;
    esac
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

state_of_run() {
    prefect --no-prompt flow-run inspect "$run" --output json 2> /dev/null |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["state"]["type"])' 2> /dev/null || echo UNKNOWN
}

ifrl deploy

if ! prefect --no-prompt deployment run "$deployment" -p "recipe=$recipe" -p "overrides=$overrides" > "$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "the run was not started" >&2
    exit 1
fi
cat "$work/log"
run=$(started_run)

# The watcher shows events and logs. It does not judge: a connection that is lost can end it early, or leave it waiting for ever.
prefect --no-prompt flow-run watch "$run" &
watcher=$!
end=$(($(date +%s) + timeout))
crashed_at=''
while [ "$(date +%s)" -lt "$end" ]; do
    sleep 5 &
    wait $!
    state=$(state_of_run)
    case "$state" in
        COMPLETED | FAILED | CANCELLED) break ;;
        CRASHED) # The server starts it again, twice at most and after a minute or so.
            crashed_at=${crashed_at:-$(date +%s)}
            if [ $(($(date +%s) - crashed_at)) -gt "$patience" ]; then break; fi
            ;;
        *) crashed_at='' ;;
    esac
done
if [ "$state" != COMPLETED ]; then
    echo "the run did not complete: $state" >&2
    exit 1
fi

ifrl report "$run" --min-gain "$minimum" --bound "$bound"
