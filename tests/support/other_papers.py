"""Studies of the models of other papers, of runs that never ran."""

from dataclasses import replace

from codetune.evaluation.comparisons import MetricFacts
from codetune.report.declared_table import Here
from codetune.study.declared import file_of, read_paper
from codetune.study.model import Source
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import fake_method, fake_model, fake_record, fake_sizes, with_test

METRICS = {"bleu": MetricFacts("BLEU", "sacrebleu", 100.0), "codebleu": MetricFacts("CodeBLEU", "mean", 1.0)}
EM = {f"em_one_line_at_{k}": MetricFacts(f"EM@{k}", "in one line", 1.0) for k in (1, 10)}
CONALA = {"conala": Source(repo="neulab/conala", revision="0" * 40)}
REPO = "openai-community/gpt2"


def paper(name):
    """What a paper of the project declares."""
    return read_paper(ROOT / file_of(name))


def a_record(model, method, test, scores, data=None, repo=REPO, samples=10):
    """A record of a checkpoint of the hub on one test set."""
    source = Source(repo=repo, revision="0" * 40)
    record = fake_record(fake_model(model, source=source), method, data or test, test=test, scores=scores)
    return with_test(record, test, scores, samples=samples)


def gpt2_study(repo=REPO, samples=10):
    """GPT-2 fully tuned, by LoRA and untuned; another model that the paper does not have."""
    full = replace(fake_method("lora"), name="full")
    more = {"repo": repo, "samples": samples}
    records = [
        a_record("gpt2", full, "conala", {"bleu": 7.0, "codebleu": 0.2}, **more),
        a_record("gpt2", "lora", "conala", {"bleu": 50.0, "codebleu": 0.5}, **more),
        a_record("gpt2", "base", "conala", {"bleu": 1.0, "codebleu": 0.1}, **more),
        a_record("mine", "lora", "conala", {"bleu": 90.0, "codebleu": 0.9}, **more),
    ]
    sizes = [fake_sizes("gpt2", fake_method("lora"), full, trainable=2_500, total=1_000_000)]
    return Here(records, [fake_comparisons(records, "conala", METRICS)], sizes, CONALA)


def codegen_study():
    """CodeGen by LoRA on each data set and on both together."""
    scores = [{"em_one_line_at_1": at, "em_one_line_at_10": 2 * at, "codebleu": 3 * at} for at in (0.1, 0.2, 0.3)]
    one = ("codegen-350m", "lora")
    records = [
        a_record(*one, "conala-resplit", scores[0]),
        a_record(*one, "codealpaca-py", scores[1]),
        with_test(a_record(*one, "conala-resplit", scores[2], data="joint"), "codealpaca-py", scores[2]),
    ]
    facts = {name: one for name, one in (METRICS | EM).items() if name != "bleu"}
    tests = ("conala-resplit", "codealpaca-py")
    return Here(records, [fake_comparisons(records, test, facts) for test in tests], [], {})
