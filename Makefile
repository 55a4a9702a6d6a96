# Every target does the set-up that it needs; `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
DRAWN  := adding,copy_memory,embedded_reber,temporal_order,timed_spikes,two_sequence
BUDGETS := 51200 204800
REACHED := delayed_xor,adding,temporal_order,two_sequence,random_lag,copy_memory,selective_copy,associative_recall,parity,embedded_reber
HORIZON = $(BIN)/longlag horizon 'cell=glob(*)' study=horizons logger=csv probe=none
EASY   = $(shell ls conf/experiment/easy | sed 's|\(.*\).yaml|easy/\1|' | paste -sd,)

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*##.*/\1/p' $(MAKEFILE_LIST))

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/\1\t/' | awk -F'\t' '{printf "  make %-17s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "longlag needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(READY)  ## make .venv with everything in it

demo: setup  ## LSTM against RNN on delayed XOR over 60 steps, three seeds each
	@$(BIN)/longlag train -m experiment=demo

test: setup  ## the fast tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q

test-slow: setup  ## the slow tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q -m 'slow and not long'

test-long: setup  ## those that take minutes: sanitizers at every size, torch.compile
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q -m long

lint: setup  ## format, lint, types, and who may import whom
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python docs/draw_floors.py --check
	@$(BIN)/python docs/draw_reference.py --check

floors: setup  ## draw the floors of the package into docs/design.md, from its imports
	@$(BIN)/python docs/draw_floors.py

reference: setup  ## draw docs/reference from the settings, the commands and the docstrings
	@$(BIN)/python docs/draw_reference.py

site: setup  ## build the documentation site into build/site; a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

slurm-check: setup  ## grids on a true SLURM of two nodes on this machine (root; Debian)
	@tests/cluster/small_slurm $(BIN)/pytest -q -m cluster tests/cluster/test_slurm.py

ray-check: setup  ## grids on a true Ray on this machine (brings 422 MB)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray]'
	@$(BIN)/pytest -q -m cluster tests/cluster/test_ray.py

triton-check: setup  ## Triton's kernels, and flashrnn as a contender, without a GPU (brings 286 MB)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .triton -c constraints.txt \
		triton flashrnn
	@OMP_NUM_THREADS=1 PYTHONPATH=.triton $(BIN)/pytest -n 2 -q tests/engine/test_triton.py tests/training/population/test_triton_members.py \
		tests/test_gpu_bench.py tests/benchmark/test_contenders.py -k 'triton or flashrnn or gpu'

wheel: setup  ## build the wheel, install it elsewhere (WHEEL_PYTHON=python3.13: for another Python), train one step
	@PYTHON=$(BIN)/python bash .ci/wheel-check

rates: setup  ## a table of docs/results.md: how often is delayed XOR solved? ten seeds each
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=xor_rates

easy: setup  ## a table of docs/tasks.md: does a small LSTM learn an easy setting of every task? six seeds each
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=$(EASY) 'seed=range(6)' logger=csv

cells: setup  ## the tables of docs/results.md: which cells learn delayed XOR? five seeds each; about an hour
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=cells logger=csv
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=cells_matched logger=csv

forget-bias-grid: setup  ## the pictures of docs/results.md: T × forget bias, five seeds each, on a page; half an hour
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=forget_bias_grid logger=csv
	@$(BIN)/longlag report outputs/forget_bias_grid --caption --png docs/pictures/forget_bias_grid

horizons: setup  ## the memory horizon of every cell on ten tasks, at two budgets; two tasks at once; hours
	@for budget in $(BUDGETS); do \
		echo $(REACHED) | tr , '\n' | OMP_NUM_THREADS=1 xargs -P 2 -I TASK $(HORIZON) task=TASK budget=$$budget; \
		$(HORIZON) task=$(REACHED) budget=$$budget || exit 1; done

page-picture:  ## the picture of the page in docs/report.md, after forget-bias-grid; needs chromium
	@d=$$(mktemp -d) && chromium --headless --no-sandbox --disable-gpu --disable-sync --disable-background-networking \
		--no-first-run --hide-scrollbars --virtual-time-budget=20000 --window-size=1200,2500 --user-data-dir=$$d \
		--screenshot=docs/pictures/page.png file://$(CURDIR)/outputs/forget_bias_grid/report.html; rm -rf $$d

forget-bias: setup  ## a table of docs/results.md: four starts of the forget gate, four lags; ten seeds each; more than an hour
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=forget_bias logger=csv

truncation: setup  ## a table of docs/results.md: the truncated gradient against the full one, ten seeds each
	@OMP_NUM_THREADS=1 $(BIN)/longlag train -m experiment=truncation logger=csv

check: setup  ## the table of docs/cells.md: every cell held to its claims, and its figures
	@OMP_NUM_THREADS=1 $(BIN)/longlag check 'cell=glob(*)'

fuzz: setup  ## type odd requests, damage run folders, kill grids; about an hour (seed and counts: tests/fuzz --help)
	@OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python tests/fuzz $(FUZZ)

audit: setup  ## a table of docs/tasks.md: is each task really long-lag? about five minutes
	@OMP_NUM_THREADS=1 $(BIN)/longlag audit 'task=glob(*)'

pictures: setup  ## the pictures in docs/tasks.md
	@$(BIN)/longlag show task=$(DRAWN) --n 2 --steps 120 --png docs/pictures

bench-drawing: setup  ## drawing a batch of every task against training on it
	@$(BIN)/python bench/drawing.py

bench-engines: setup  ## the tables of docs/benchmarks.md: every way to run a cell, against each other and the floor
	@$(BIN)/longlag bench R=1,16,64 contenders=native,eager,bare rounds=5 --md - --png docs/pictures/speed.png
	@$(BIN)/longlag bench cell=lstm H=16,64,128,256 B=32,128,256 T=100,1000 R=1 contenders=native,eager,bare rounds=3 --md -
	@$(BIN)/longlag bench cell=lstm H=16,64,128,256 B=32,128,256 T=100,1000 R=1 contenders=torch rounds=3 --md -
	@$(BIN)/python bench/threads.py
	@$(BIN)/longlag bench cell=min_lstm,min_gru,lru H=32 B=32,256 T=100,1000 R=1 --md -

bench-online: setup  ## on-line learning, a sequence at a time, against a bare PyTorch loop
	@$(BIN)/python bench/online.py

bench-populations: setup  ## a grid as populations against the same grid run by run; half an hour
	@$(BIN)/python bench/populations.py

bench-gpu: setup  ## populations on a GPU against runs alone, cuDNN and flashrnn; less than eight minutes
	@$(BIN)/python bench/gpu.py

bench-grid: setup  ## a grid of 16 default runs, one after the other against several at once; 500 runs looked at
	@$(BIN)/python bench/launcher.py
	@$(BIN)/python bench/many_runs.py

bench-probe: setup  ## what measuring the error flow costs
	@$(BIN)/python bench/probe.py

bench: setup  ## the default run against bare PyTorch loops, and where its time goes
	@$(BIN)/python bench/default_run.py
	@$(BIN)/python bench/account.py

clean:  ## remove .venv and the caches; outputs/ stays
	rm -rf $(VENV) .triton .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
