# Needs: the records and comparisons of all runs, and what the paper declares; for table 1 and the audit also token
#        statistics and configurations.
# Gives: <results>/tables/{table1,table2,metrics,breakdown,audit}.{csv,md,tex}

MODELS = list(dict.fromkeys(run.model for run in STUDY.runs))
PLANNED = {run.system: run for run in STUDY.training_runs}.values()  # one run per row of table 1
COMPARISONS = [in_results(layout.COMPARISONS, test=test) for test in STUDY.tests]
SCORED = {"records": each(layout.RECORD, STUDY.runs), "comparisons": COMPARISONS}

# Inputs of each table. Table 1 needs neither weights nor a training.
TABLES = {
    "table1": {
        "stats": [in_results(layout.TOKEN_STATS, **STUDY.token_set_of(run)) for run in PLANNED],
        "configs": [in_resources(layout.TOKENIZER, model=run.model) for run in PLANNED],
    },
    "table2": SCORED,
    "metrics": SCORED,
    "breakdown": SCORED,
    "audit": SCORED
    | {
        "configs": [in_resources(layout.TOKENIZER, model=model) for model in MODELS],
        "stats": [in_results(layout.TOKEN_STATS, **entry) for entry in STUDY.token_sets],
        "prompt_stats": [in_results(layout.PROMPT_STATS, **entry) for entry in STUDY.prompt_sets],
        "cards": [in_results(layout.CARD, dataset=name) for name in STUDY.used_datasets],
    },
}
if not STUDY.training_runs:
    del TABLES["table1"]


rule table:
    """Writes one table as CSV, Markdown and LaTeX: settings, scores beside the paper's, or the audit of its claims."""
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
        metric=lookup(within=config, dpath="evaluation/metric"),
        plans=[
            {
                "system": run.system._asdict(),
                "label": STUDY.models[run.model].label,
                "plan": to_plain(STUDY.for_training(run)),
            }
            for run in PLANNED
        ],
        models=MODELS,
        tokens=STUDY.token_sets,
        prompts=STUDY.prompt_sets,
        datasets={name: declared(STUDY.datasets[name].published.source) for name in STUDY.used_datasets},
        paper=project_file("config/paper.yaml"),
        code=code("table.py", "analysis"),
    script:
        "../scripts/table.py"
