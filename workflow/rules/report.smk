# Needs: what the study wrote; for the report itself, `snakemake --report <results>/report.html`.
# Gives: <results>/report/samples/{dataset}.html  the sample browser
#        <results>/report/provenance.md           checkpoints, machines, versions, configuration
#        <results>/report/pages/*.html            tables, data cards and provenance as pages


DATASETS = list(dict.fromkeys(run.dataset for run in RUNS))
# Pages of the report: category, label, document. A document that another rule writes becomes one by a line here.
DOCUMENTS = {
    "table1": ("Tables", "Table 1: training settings", "<results>/tables/table1.md"),
    "table2": ("Tables", "Table 2: model comparison", "<results>/tables/table2.md"),
    "metrics": ("Tables", "All metrics of all runs", "<results>/tables/metrics.md"),
    "breakdown": ("Tables", "By language and length", "<results>/tables/breakdown.md"),
    "audit": ("Audit", "The paper's claims, one by one", "<results>/tables/audit.md"),
    **{f"card-{name}": ("Data", f"Data card: {name}", f"<results>/data/{name}/card.md") for name in DATASETS},
    "provenance": ("Provenance", "Checkpoints, versions, machines, configuration", "<results>/report/provenance.md"),
}
SAMPLES = [f"<results>/report/samples/{name}.html" for name in DATASETS]
PAGES = [f"<results>/report/pages/{name}.html" for name in DOCUMENTS]


rule browser:
    """Puts all samples and outputs of a data set on one page, to sort, filter and compare. Needs no torch."""
    input:
        samples="<results>/data/{dataset}/test.jsonl",
        predictions=of_dataset(f"<results>/runs/{RUN}/predictions.jsonl"),
        scores=of_dataset(f"<results>/runs/{RUN}/scores.jsonl"),
        template=workflow.source_path("../report/samples.html"),
    output:
        report(
            "<results>/report/samples/{dataset}.html",
            category="Samples",
            labels={"samples": "{dataset}"},
            caption="../report/samples.rst",
        ),
    log:
        "<logs>/browser/{dataset}.log",
    benchmark:
        "<benchmarks>/browser/{dataset}.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=lambda wildcards: [vars(run) for run in RUNS if run.dataset == wildcards.dataset],
        models=LABELS,
        code=code("browser.py"),
    script:
        "../scripts/browser.py"


rule provenance:
    """Gathers what the runs were computed from and with: checkpoints, machines, versions, configuration."""
    input:
        generations=of_runs(f"<results>/runs/{RUN}/generation.json", RUNS),
        trainings=of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
    output:
        "<results>/report/provenance.md",
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
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
        config=config,
        code=code("provenance.py"),
    script:
        "../scripts/provenance.py"


rule page:
    """Turns a table or another Markdown document into a page that a report can show."""
    input:
        document=lambda wildcards: DOCUMENTS[wildcards.page][2],
        template=workflow.source_path("../report/page.html"),
    output:
        report(
            "<results>/report/pages/{page}.html",
            category=lambda wildcards: DOCUMENTS[wildcards.page][0],
            labels=lambda wildcards: {"page": DOCUMENTS[wildcards.page][1]},
            caption="../report/page.rst",
        ),
    log:
        "<logs>/page/{page}.log",
    benchmark:
        "<benchmarks>/page/{page}.tsv"
    wildcard_constraints:
        page="|".join(map(re.escape, DOCUMENTS)),
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code("page.py"),
    script:
        "../scripts/page.py"
