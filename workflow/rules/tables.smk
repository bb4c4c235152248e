# Needs: the records and comparisons of all runs, and what the paper declares; for table 1 and the audit also token
#        statistics, for table 1 and the costs sizes, and for the audit configurations.
# Gives: <results>/tables/{table1,table2,variants,pairs,metrics,breakdown,execution,cost,search,audit}.{csv,md,tex}
#        <results>/tables/declared-{table}.{csv,md,tex}: the paper's own tables with the numbers of this study

from codetune.study.tables import table_inputs, table_params

MODELS = STUDY.used_models
TABLES = table_inputs(STUDY, in_results, in_resources)  # for each table its inputs
COMPARISONS = TABLES["table2"]["comparisons"]  # on the test sets without unit tests
PARAMS = table_params(STUDY, config["evaluation"]["metric"])


rule table:
    """Writes one table as CSV, Markdown and LaTeX: settings, scores, costs, or the audit of the paper's claims."""
    input:
        unpack(lambda wildcards: TABLES[wildcards.table]),
    output:
        csv=in_results(layout.TABLE_CSV),
        md=in_results(layout.TABLE_MD),
        tex=in_results(layout.TABLE_TEX),
    log:
        "<logs>/table/{table}.log",
    benchmark:
        "<benchmarks>/table/{table}.tsv"
    wildcard_constraints:
        table=one_of(TABLES),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        **PARAMS,
        paper=project_file(file_of(STUDY.paper)),
        code=code("table.py", "analysis"),
    script:
        "../scripts/table.py"
