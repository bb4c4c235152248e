# Needs: the results of the study. The report itself is made by `snakemake --report <results>/report.html`.
# Gives: <results>/report/samples/{test}.html  the sample browser
#        <results>/report/provenance.md        checkpoints, machines, versions, configuration
#        <results>/report/summary.md           what the study found, in sentences
#        <results>/report/pages/*.html         the same, tables, data cards and provenance as pages

from codetune.study.declared_tables import PREFIX
from codetune.study.embeddings import embeddings_of
from codetune.study.summary import summary_inputs

# For each page of the report its category, its label, and its document. A line here makes a page of any document.
DOCUMENTS = {
    **{
        name: (category, title, in_results(layout.TABLE_MD, table=name))
        for name, category, title in (
            ("table1", "Tables", "Table 1: training settings"),
            ("table2", "Tables", "Table 2: model comparison"),
            ("variants", "Tables", "Variants and their defaults"),
            ("pairs", "Tables", "Pairs of models and methods"),
            ("metrics", "Tables", "All metrics of all runs"),
            ("breakdown", "Tables", "By language and length"),
            ("execution", "Tables", "What unit tests say"),
            ("search", "Tables", "Searches: all trials"),
            ("cost", "Tables", "What each system costs"),
            ("audit", "Audit", "The paper's claims, one by one"),
        )
        if name in TABLES
    },
    **{
        f"{PREFIX}{name}": ("Tables", f"The paper's table {name}", in_results(layout.TABLE_MD, table=f"{PREFIX}{name}"))
        for name in STUDY.declared
    },
    **{
        f"card-{name}": ("Data", f"Data card: {name}", in_results(layout.CARD_TEXT, dataset=name))
        for name in STUDY.used_datasets
    },
    "provenance": ("Provenance", "Checkpoints, versions, machines, configuration", in_results(layout.PROVENANCE)),
}
SUMMARY = [in_results(layout.CONCLUSIONS), in_results(layout.FIRST_PAGE)]
SAMPLES = [in_results(layout.BROWSER, test=test) for test in STUDY.tests]
PAGES = [in_results(layout.PAGE, page=name) for name in DOCUMENTS]


rule summary:
    """Says in sentences what the study found and what it cannot say, for the first page of the report."""
    input:
        **summary_inputs(STUDY, in_results),
    output:
        text=in_results(layout.CONCLUSIONS),
        page=report(
            in_results(layout.FIRST_PAGE),
            category="Answers",
            labels={"page": "What this study found"},
            caption="../report/summary.rst",
        ),
    log:
        "<logs>/summary.log",
    benchmark:
        "<benchmarks>/summary.tsv"
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
        template=project_file("workflow/report/page.html"),
        code=code("summary.py", "analysis"),
    script:
        "../scripts/summary.py"


rule browser:
    """Puts all samples of a test set and all outputs on one page, to sort, filter and compare. Needs no torch."""
    input:
        samples=in_results(layout.TEST),
        records=lambda wildcards: each(layout.RECORD, STUDY.of_test(wildcards.test)),
        predictions=lambda wildcards: each(layout.PREDICTIONS, STUDY.of_test(wildcards.test)),  # named in the records
        scores=lambda wildcards: each(layout.SCORES, STUDY.of_test(wildcards.test)),  # as well
    output:
        report(
            in_results(layout.BROWSER),
            category="Samples",
            labels={"samples": "{test}"},
            caption="../report/samples.rst",
        ),
    log:
        "<logs>/browser/{test}.log",
    benchmark:
        "<benchmarks>/browser/{test}.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=2),
        runtime=10,
        gpu=0,
    params:
        metric=lookup(within=config, dpath="evaluation/metric"),
        template=project_file("workflow/report/samples.html"),
        code=code("browser.py", "analysis"),
    script:
        "../scripts/browser.py"


rule provenance:
    """Lists what the runs were computed from and with: checkpoints, machines, versions, configuration."""
    input:
        records=in_results(layout.ALL_RECORDS),
        embeddings=[in_results(layout.EMBEDDING, **entry) for entry in embeddings_of(STUDY)],
    output:
        in_results(layout.PROVENANCE),
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        config=config,
        code=code("provenance.py", "analysis"),
    script:
        "../scripts/provenance.py"


rule page:
    """Turns a table or another Markdown document into a page that a report can show."""
    input:
        document=lambda wildcards: DOCUMENTS[wildcards.page][2],
    output:
        report(
            in_results(layout.PAGE),
            category=lambda wildcards: DOCUMENTS[wildcards.page][0],
            labels=lambda wildcards: {"page": DOCUMENTS[wildcards.page][1]},
            caption="../report/page.rst",
        ),
    log:
        "<logs>/page/{page}.log",
    benchmark:
        "<benchmarks>/page/{page}.tsv"
    wildcard_constraints:
        page=one_of(DOCUMENTS),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        template=project_file("workflow/report/page.html"),
        code=code("page.py", "analysis"),
    script:
        "../scripts/page.py"
