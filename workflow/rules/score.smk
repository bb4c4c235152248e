# Needs: the test samples, a run's predictions.
# Gives: <results>/runs/{data}/{model}/{method}/seed{seed}/tests/{test}/scores.jsonl  one row per test sample
#                                                                       summary.json  all, by language, by length
#        <results>/runs/{data}/{model}/{method}/seed{seed}/record.json                all that is known about the run
#                                                          published/                 what was trained, with a model card
#        <results>/records.jsonl                                                      the records of all runs
#        <results>/comparisons/{test}.json                                            intervals and p-values of all runs
#        <results>/answers.json                                                       what they say to questions

from codetune.study.answering import answering_tests
from codetune.study.question import asked_entries


rule score:
    """Scores each prediction against its reference by every metric, ROUGE-L (equation 4) first. Needs no torch."""
    input:
        references=samples_of_test,
        split=split_of_test,
        predictions=in_results(layout.PREDICTIONS),
        verdicts=branch(executed, then=in_results(layout.VERDICTS), otherwise=[]),
        origin=branch(retrieves, then=in_results(layout.RETRIEVAL), otherwise=in_results(layout.GENERATION)),
    output:
        scores=in_results(layout.SCORES),
        summary=in_results(layout.SUMMARY),
    log:
        f"<logs>/score/{layout.EVALUATION}.log",
    benchmark:
        f"<benchmarks>/score/{layout.EVALUATION}.tsv"
    wildcard_constraints:
        model=one_of([*STUDY.models, NONE]),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=50, least=1500),  # 1 GB of it for the process that measures a text
        runtime=10,
        gpu=0,
    params:
        **several_candidates(),
        code=code("score.py", "analysis"),
    script:
        "../scripts/score.py"


rule record:
    """Gathers all that is known about one run: settings, revisions, hashes, versions, machine, cost and scores."""
    input:
        splits=lambda wildcards: [in_results(layout.SPLIT, dataset=name) for name in splits_of(wildcards)],
        origin=branch(retrieves, then=on_each_test(layout.RETRIEVAL), otherwise=on_each_test(layout.GENERATION)),
        summary=on_each_test(layout.SUMMARY),
        predictions=on_each_test(layout.PREDICTIONS),
        scores=on_each_test(layout.SCORES),
        executions=lambda wildcards: each(layout.EXECUTION, filter(executed, STUDY.of_run(run_of(wildcards)))),
        training=branch(trains, then=in_results(layout.TRAINING), otherwise=[]),
        search=branch(searches, then=in_results(layout.SEARCH), otherwise=[]),
        number=branch(chooses_count, then=in_results(layout.COUNT), otherwise=[]),
        training_log=branch(trains, then=in_results(layout.TRAINING_LOG), otherwise=[]),
    output:
        in_results(layout.RECORD),
    log:
        f"<logs>/record/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/record/{layout.RUN}.tsv"
    wildcard_constraints:
        model=one_of([*STUDY.models, NONE]),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        **({"executed": executed_tests(STUDY)} if executed_tests(STUDY) else {}),
        run=lambda wildcards: to_plain(run_of(wildcards)),
        model=lambda wildcards: declared(STUDY.model_of(run_of(wildcards))),
        method=lambda wildcards: declared(STUDY.methods[wildcards.method]),
        template=lambda wildcards: STUDY.template_of(run_of(wildcards)),
        splits=splits_of,
        tests=tests_of,
        version=VERSION,
        code=code("record.py", "analysis"),
    script:
        "../scripts/record.py"


rule records:
    """Puts the records of all runs into one file, from which tables and figures are made."""
    input:
        each(layout.RECORD, STUDY.runs),
    output:
        in_results(layout.ALL_RECORDS),
    log:
        "<logs>/records.log",
    benchmark:
        "<benchmarks>/records.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code("records.py", "analysis"),
    script:
        "../scripts/records.py"


rule publish:
    """Puts what a run trained and its model card into one folder, ready for upload to the hub."""
    input:
        record=in_results(layout.RECORD),
        stats=for_run(layout.TOKEN_STATS),
        tuned=in_results(layout.TUNED),
    output:
        in_results(layout.PUBLISHED),
    log:
        f"<logs>/publish/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/publish/{layout.RUN}.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        metric=lookup(within=config, dpath="evaluation/metric"),
        publications=lambda wildcards: to_plain(publications_of(config, run_of(wildcards), tests_of(wildcards))),
        code=code("publish.py", "analysis"),
    script:
        "../scripts/publish.py"


rule answers:
    """Answers the study's questions: the mean gain of one method over others, resampled. None without questions."""
    input:
        records=in_results(layout.ALL_RECORDS),
        scores=[path for test in answering_tests(STUDY) for path in each(layout.SCORES, STUDY.of_test(test))],
    output:
        in_results(layout.ANSWERS),
    log:
        "<logs>/answers.log",
    benchmark:
        "<benchmarks>/answers.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=3, least=1000),
        runtime=30,
        gpu=0,
    params:
        questions=asked_entries(config),
        metric=lookup(within=config, dpath="evaluation/metric"),
        resamples=lookup(within=config, dpath="evaluation/resamples"),
        seed=lookup(within=config, dpath="evaluation/seed"),
        code=code("answers.py", "analysis"),
    script:
        "../scripts/answers.py"


rule significance:
    """Bootstraps each score and gain over the test samples: 95 % intervals, and p-values with Holm's correction."""
    input:
        records=lambda wildcards: each(layout.RECORD, STUDY.of_test(wildcards.test)),
        scores=lambda wildcards: each(layout.SCORES, STUDY.of_test(wildcards.test)),  # named in the records
        leaks=lambda wildcards: [
            in_results(layout.LEAKS, **pair) for pair in STUDY.leak_checks if pair["test"] == wildcards.test
        ],
    output:
        in_results(layout.COMPARISONS),
    log:
        "<logs>/significance/{test}.log",
    benchmark:
        "<benchmarks>/significance/{test}.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_bootstrap,
        runtime=30,
        gpu=0,
    params:
        metric=lookup(within=config, dpath="evaluation/metric"),
        resamples=lookup(within=config, dpath="evaluation/resamples"),
        seed=lookup(within=config, dpath="evaluation/seed"),
        code=code("significance.py", "analysis"),
    script:
        "../scripts/significance.py"
