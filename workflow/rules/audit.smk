# Needs: the configurations, token statistics, data cards, scores and records of all runs; what the paper declares.
# Gives: <results>/tables/audit.{csv,md,tex}


rule audit:
    """Checks the paper's claims against its own tables, the architectures and this study's results."""
    input:
        configs=of_runs("<resources>/tokenizers/{model}", RUNS),
        stats=of_runs("<results>/tokens/{dataset}/{model}/stats.json", RUNS),
        cards=of_runs("<results>/data/{dataset}/card.json", RUNS),
        summaries=of_runs(f"<results>/runs/{RUN}/summary.json", RUNS),
        generations=of_runs(f"<results>/runs/{RUN}/generation.json", RUNS),
        trainings=of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
        paper=workflow.source_path("../../config/paper.yaml"),
    output:
        csv="<results>/tables/audit.csv",
        md="<results>/tables/audit.md",
        tex="<results>/tables/audit.tex",
    log:
        "<logs>/audit.log",
    benchmark:
        "<benchmarks>/audit.tsv"
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
        models={model: source_of(model) | {"label": config["models"][model]["label"]} for model in MODELS},
        datasets=config["datasets"],
        code=code("audit.py"),
    script:
        "../scripts/audit.py"
