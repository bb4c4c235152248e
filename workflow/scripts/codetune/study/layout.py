"""The paths of all files, defined only here. Rules, checks and the crate take them from this module.

Each constant is a path within the folder of results or of resources, with wildcards in braces. A folder of files is
named by its manifest (base/manifests.py).
"""

import re

from codetune.base.manifests import MANIFEST
from codetune.study.runs import Evaluation, Run, dataset_of, part_of

# The folders right in results and in resources, in which all files lie.
IN_RESULTS = (
    *("data", "leaks", "tests", "tokens", "prompts", "sizes", "runs", "comparisons", "tables", "figures", "report"),
    "workflow",
    *("logs", "benchmarks"),
)
IN_RESOURCES = ("data", "tokenizers", "models", "encoders", "sandbox")

# Resources: downloads.
RECORDS = "data/{dataset}.jsonl"
IMPORT = "data/{dataset}.json"
TOKENIZER = f"tokenizers/{{model}}/{MANIFEST}"
CHECKPOINT = f"models/{{model}}/{MANIFEST}"
ENCODER = f"encoders/{{encoder}}/{MANIFEST}"
SANDBOX = "sandbox/sandbox.json"

# A data set.
TRAIN = "data/{dataset}/train.jsonl"
VALIDATION = "data/{dataset}/validation.jsonl"
TEST_PART = "data/{dataset}/test.jsonl"
SPLIT = "data/{dataset}/split.json"
CARD = "data/{dataset}/card.json"
CARD_TEXT = "data/{dataset}/card.md"

# A test set: the test part of the data set of the same name. `samples_of` knows the others.
TEST = "data/{test}/test.jsonl"

# Its unit tests, if it has any, with the calls that they make.
PROBLEMS = "tests/{test}/problems.jsonl"
PROBLEM_FACTS = "tests/{test}/problems.json"

# What training data have of a test set.
LEAKS = "leaks/{dataset}/{test}.json"

# The vectors of a part's requests by an encoder, and their facts; parts are `train` and `test`.
PART = "data/{dataset}/{part}.jsonl"
VECTORS = "data/{dataset}/embeddings/{encoder}/{part}.npy"
EMBEDDING = "data/{dataset}/embeddings/{encoder}/{part}.json"

# Which training samples stand in the prompts of a test set as examples.
EXAMPLES = "data/{data}/examples/{test}/{prompt}/seed{seed}.json"

# Samples and prompts as token ids. A prompt with examples has its own name, with their data and seed; one without has
# that of its template, with `none` and 0, so that all methods share it.
TOKENS = "tokens/{dataset}/{model}/{template}"
TRAIN_TOKENS = f"{TOKENS}/train.arrow"
VALIDATION_TOKENS = f"{TOKENS}/validation.arrow"
TOKEN_STATS = f"{TOKENS}/stats.json"
OF_PROMPTS = "{test}/{model}/{prompt}/{data}/seed{seed}"
PROMPTS = f"prompts/{OF_PROMPTS}/prompts.arrow"
PROMPT_STATS = f"prompts/{OF_PROMPTS}/stats.json"

# What each method trains of a model.
SIZES = "sizes/{model}.json"

# A run, and its evaluation on each test set.
RUN = "{data}/{model}/{method}/seed{seed}"
TUNED = f"runs/{RUN}/tuned/{MANIFEST}"
CHECKPOINTS = f"runs/{RUN}/checkpoints/{MANIFEST}"
DROPPED = f"runs/{RUN}/checkpoints/dropped.json"
TUNED_FILES = f"runs/{RUN}/tuned/{{file}}"
TRAINING_LOG = f"runs/{RUN}/training_log.jsonl"
TRAINING = f"runs/{RUN}/training.json"
SEARCH = f"runs/{RUN}/search.json"  # of a run whose training was chosen from trials
COUNT = f"runs/{RUN}/count.json"  # of a run whose number of examples was chosen from trials
CURVE_PREDICTIONS = f"runs/{RUN}/curve/predictions.jsonl"
CURVE = f"runs/{RUN}/curve.json"
RECORD = f"runs/{RUN}/record.json"
PUBLISHED = f"runs/{RUN}/published/README.md"
PUBLISHED_FILES = f"runs/{RUN}/published/{{file}}"
UNFINISHED = f"runs/{RUN}/unfinished/{{stage}}"
TRACKING = f"runs/{RUN}/tracking"  # what a training reported to TensorBoard; no job reads it
EVALUATION = f"{RUN}/tests/{{test}}"
PREDICTIONS = f"runs/{EVALUATION}/predictions.jsonl"
GENERATION = f"runs/{EVALUATION}/generation.json"
RETRIEVAL = f"runs/{EVALUATION}/retrieval.json"  # in its place, where there is no model
VERDICTS = f"runs/{EVALUATION}/verdicts.jsonl"  # of a test set with unit tests
EXECUTION = f"runs/{EVALUATION}/execution.json"
SCORES = f"runs/{EVALUATION}/scores.jsonl"
SUMMARY = f"runs/{EVALUATION}/summary.json"

# The study.
ALL_RECORDS = "records.jsonl"
COMPARISONS = "comparisons/{test}.json"
ANSWERS = "answers.json"
TABLE_FORMS = ("tables/{table}.csv", "tables/{table}.md", "tables/{table}.tex")
TABLE_CSV, TABLE_MD, TABLE_TEX = TABLE_FORMS
FIGURE_FORMS = ("figures/{figure}.png", "figures/{figure}.svg", "figures/{figure}.pdf")
FIGURE_PNG, FIGURE_SVG, FIGURE_PDF = FIGURE_FORMS
BROWSER = "report/samples/{test}.html"
PROVENANCE = "report/provenance.md"
PAGE = "report/pages/{page}.html"
PAPER = "paper.pdf"
NUMBERS = "numbers.json"
MACROS = "numbers.tex"
CONCLUSIONS = "report/summary.md"
FIRST_PAGE = PAGE.format(page="summary")
CRATE_CONFIG = "workflow/config-used.yaml"  # beside a copy of the workflow


def fill(pattern: str, what: Run | Evaluation) -> str:
    """Fills the wildcards of a path in with the values of a run or an evaluation."""
    run = what.run if isinstance(what, Evaluation) else what
    test = {"test": what.test} if isinstance(what, Evaluation) else {}
    return pattern.format(**vars(run), dataset=run.data, **test)


def samples_of(test: str) -> str:
    """Returns the path of the samples of a test set: of a data set's test part or, for trials, validation part."""
    return PART.format(dataset=dataset_of(test), part=part_of(test))


def origin_of(run: Run) -> str:
    """Returns the pattern of the facts of how a run's predictions were made."""
    return RETRIEVAL if run.retrieves else GENERATION


def glob_of(pattern: str) -> str:
    """Returns the glob that matches all files for which a pattern stands."""
    return re.sub(r"\{\w+\}", "*", pattern)
