# Needs: the records and comparisons of all runs, and what the paper declares; for table 1 and the audit also token
#        statistics and configurations.
# Gives: <results>/tables/{table1,table2,metrics,breakdown,audit}.{csv,md,tex}

COMPARISONS = [in_results(layout.COMPARISONS.format(test=test)) for test in STUDY.tests]
PAPER = workflow.source_path("../../config/paper.yaml")
SYSTEMS = {run.system: run for run in STUDY.training_runs}  # one run per row of table 1


def tokens_of(runs):
    """Returns data set, model and template of the token sets of some runs, each once."""
    found = [{"dataset": run.data, "model": run.model, "template": STUDY.template_of(run.model)} for run in runs]
    return [dict(entry) for entry in dict.fromkeys(tuple(entry.items()) for entry in found)]


def prompts_of(evaluations):
    """Returns test set, model and template of the prompts of some evaluations, each once."""
    found = [(evaluation.test, evaluation.run.model) for evaluation in evaluations]
    return [
        {"test": test, "model": model, "template": STUDY.template_of(model)} for test, model in dict.fromkeys(found)
    ]


def filled(pattern, entries):
    """Returns the paths that a pattern within the results has for several entries."""
    return [in_results(pattern.format(**entry)) for entry in entries]


MODELS = list(dict.fromkeys(run.model for run in STUDY.runs))
TOKENS = tokens_of(STUDY.training_runs)
PROMPTS = prompts_of(STUDY.evaluations)
SCORED = {"records": each(layout.RECORD, STUDY.runs), "comparisons": COMPARISONS, "paper": PAPER}

# Inputs of each table. Table 1 needs neither weights nor a training.
TABLES = {
    "table1": {
        "stats": filled(layout.TOKEN_STATS, [tokens_of([run])[0] for run in SYSTEMS.values()]),
        "configs": [in_resources(layout.TOKENIZER.format(model=run.model)) for run in SYSTEMS.values()],
        "paper": PAPER,
    },
    "table2": SCORED,
    "metrics": SCORED,
    "breakdown": SCORED,
    "audit": SCORED
    | {
        "configs": [in_resources(layout.TOKENIZER.format(model=model)) for model in MODELS],
        "stats": filled(layout.TOKEN_STATS, TOKENS),
        "prompt_stats": filled(layout.PROMPT_STATS, PROMPTS),
        "cards": [in_results(layout.CARD.format(dataset=name)) for name in STUDY.used_datasets],
    },
}


rule table:
    """Writes one table as CSV, Markdown and LaTeX: settings, scores beside the paper's, or the audit of its claims."""
    input:
        unpack(lambda wildcards: TABLES[wildcards.table]),
    output:
        csv=in_results(f"{layout.TABLE}.csv"),
        md=in_results(f"{layout.TABLE}.md"),
        tex=in_results(f"{layout.TABLE}.tex"),
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
            for run in SYSTEMS.values()
        ],
        models=MODELS,
        tokens=TOKENS,
        prompts=PROMPTS,
        datasets={name: declared(dataset.published.source) for name, dataset in STUDY.datasets.items()},
        code=code("table.py"),
    script:
        "../scripts/table.py"
