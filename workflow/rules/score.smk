# Needs: the test samples, a run's predictions.
# Gives: <results>/runs/{dataset}/{model}/{method}/seed{seed}/scores.jsonl  one row a sample
#                                                             summary.json  of all, by language, by length
#                                                             record.json   all that is known of the run, in one
#        <results>/tables/significance.json                                   intervals and p-values of all runs


rule score:
    """Scores each prediction against its reference by every metric, ROUGE-L (equation 4) first. Needs no torch."""
    input:
        references="<results>/data/{dataset}/test.jsonl",
        card="<results>/data/{dataset}/card.json",
        predictions=f"<results>/runs/{RUN}/predictions.jsonl",
    output:
        scores=f"<results>/runs/{RUN}/scores.jsonl",
        summary=f"<results>/runs/{RUN}/summary.json",
    log:
        f"<logs>/score/{RUN}.log",
    benchmark:
        f"<benchmarks>/score/{RUN}.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code("score.py"),
    script:
        "../scripts/score.py"


rule significance:
    """Bootstraps every score and every gain over the test samples: 95 % intervals, p-values with Holm's correction."""
    input:
        of_runs(f"<results>/runs/{RUN}/scores.jsonl", RUNS),
    output:
        "<results>/tables/significance.json",
    log:
        "<logs>/significance.log",
    benchmark:
        "<benchmarks>/significance.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        runs=[vars(run) for run in RUNS],
        untuned=[name for name, method in config["methods"].items() if "lora" not in method],
        resamples=lookup(within=config, dpath="evaluation/resamples"),
        seed=lookup(within=config, dpath="evaluation/seed"),
        code=code("significance.py"),
    script:
        "../scripts/significance.py"


rule record:
    """Gathers all that is known of one run: configuration, revisions, hashes, versions, machine, cost and result."""
    input:
        card="<results>/data/{dataset}/card.json",
        predictions=f"<results>/runs/{RUN}/predictions.jsonl",
        scores=f"<results>/runs/{RUN}/scores.jsonl",
        summary=f"<results>/runs/{RUN}/summary.json",
        generation=f"<results>/runs/{RUN}/generation.json",
        training=branch(lora_of, then=f"<results>/runs/{RUN}/training.json", otherwise=[]),
    output:
        f"<results>/runs/{RUN}/record.json",
    log:
        f"<logs>/record/{RUN}.log",
    benchmark:
        f"<benchmarks>/record/{RUN}.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        config=config_of,
        code=code("record.py"),
    script:
        "../scripts/record.py"
