# Functions of the rules that make or read prompts: their samples, their examples, how many these are, and whether what
# is written for them is executed.

from codetune.study.embeddings import embeddings_for
from codetune.study.runs import Evaluation, dataset_of
from codetune.study.tested import executed_tests


def prompts_of(pattern):
    """Returns an input function that fills in a pattern with the prompts that a run is evaluated on."""
    return lambda one: in_results(pattern, **STUDY.prompt_set_of(Evaluation(run_of(one), one.test)))


def samples_of_test(wildcards):
    """Returns the path of the samples of a test set."""
    return in_results(layout.samples_of(wildcards.test))


def split_of_test(wildcards):
    """Returns the path of the facts of the split that a test set is a part of."""
    return in_results(layout.SPLIT, dataset=dataset_of(wildcards.test))


def leaks_of(wildcards):
    """Returns the list of what training data have of a test set; nothing for a validation part and without such data."""
    if wildcards.data == NONE or wildcards.test not in STUDY.tests:
        return []
    return ancient(for_run(layout.LEAKS)(wildcards))


def has_examples(wildcards):
    """Whether the prompts that a job's wildcards name have examples."""
    return wildcards.data != NONE


def for_examples(pattern):
    """Returns an input function that fills in a pattern with the data set of the examples in prompts."""
    return lambda wildcards: in_results(pattern, dataset=wildcards.data)


def embedded(pattern):
    """Returns an input function that fills in a pattern with the vectors by which examples are chosen, if any."""
    return lambda one: [in_results(pattern, **of) for of in embeddings_for(STUDY, one.prompt, one.data, one.test)]


def count_of_prompts(wildcards):
    """Returns the choice of the number of examples that the prompts of a job have; nothing where that is fixed."""
    found = each(layout.COUNT, STUDY.count_runs_of(dict(wildcards.items())))
    return found[0] if found else []


def chooses_count(wildcards):
    """Whether the number of examples in the prompts of a run is chosen from trials."""
    return wildcards.method in STUDY.count_trials


def executed(wildcards):
    """Whether an evaluation is on a test set with unit tests."""
    return wildcards.test in executed_tests(STUDY)


def memory_of_guests(wildcards, input, threads):
    """Returns the memory in MB of a job that runs guests, each of which may take 512 MB, and holds all problems."""
    return round(700 + 600 * threads + 8 * input.size_mb)
