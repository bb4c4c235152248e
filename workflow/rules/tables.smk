# Needs: for table 1 the token statistics and configurations, for table 2 the scores; what the paper declares.
# Gives: <results>/tables/table{1,2}.{csv,md,tex}
#        <results>/tables/{metrics,breakdown}.{csv,md,tex}  every metric of every run; by language and by length

TRAININGS = list({(run.dataset, run.model, run.method): run for run in TUNED}.values())


rule table1:
    """Training settings, declared and computed (Table 1). Needs no weights and no training."""
    input:
        stats=of_runs("<results>/tokens/{dataset}/{model}/stats.json", TRAININGS),
        configs=of_runs("<resources>/tokenizers/{model}", TRAININGS),
        paper=workflow.source_path("../../config/paper.yaml"),
    output:
        csv="<results>/tables/table1.csv",
        md="<results>/tables/table1.md",
        tex="<results>/tables/table1.tex",
    log:
        "<logs>/table1.log",
    benchmark:
        "<benchmarks>/table1.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TRAININGS],
        models={run.model: config["models"][run.model] for run in TRAININGS},
        methods=config["methods"],
        code=code("table1.py"),
    script:
        "../scripts/table1.py"


rule table2:
    """The score of all runs, with intervals and gains, beside the paper's (Table 2)."""
    input:
        summaries=of_runs(f"<results>/runs/{RUN}/summary.json", RUNS),
        significance="<results>/tables/significance.json",
        records=of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
        paper=workflow.source_path("../../config/paper.yaml"),
    output:
        csv="<results>/tables/table2.csv",
        md="<results>/tables/table2.md",
        tex="<results>/tables/table2.tex",
    log:
        "<logs>/table2.log",
    benchmark:
        "<benchmarks>/table2.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in RUNS],
        models=LABELS,
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("table2.py"),
    script:
        "../scripts/table2.py"


rule metrics:
    """Every metric of every run with its interval, and ROUGE-L's like by language and by length of the reference."""
    input:
        summaries=of_runs(f"<results>/runs/{RUN}/summary.json", RUNS),
        significance="<results>/tables/significance.json",
    output:
        metrics_csv="<results>/tables/metrics.csv",
        metrics_md="<results>/tables/metrics.md",
        metrics_tex="<results>/tables/metrics.tex",
        breakdown_csv="<results>/tables/breakdown.csv",
        breakdown_md="<results>/tables/breakdown.md",
        breakdown_tex="<results>/tables/breakdown.tex",
    log:
        "<logs>/metrics.log",
    benchmark:
        "<benchmarks>/metrics.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in RUNS],
        models=LABELS,
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("metrics_tables.py"),
    script:
        "../scripts/metrics_tables.py"
