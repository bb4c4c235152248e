from snakemake.utils import min_version

min_version("9.27.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/execution.smk"


pathvars:
    results=config["results"],
    resources=config["resources"],
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tokenize.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# What can be asked for by name: everything (the default), the figures, one table or figure (table1, table2, audit,
# figure1, figure2, losses, cost, forest), and, by its name in the config, one model's whole branch.


rule all:
    default_target: True
    input:
        of_runs(f"<results>/runs/{RUN}/record.json", RUNS),
        "<results>/tables/table1.md",
        "<results>/tables/table2.md",
        "<results>/tables/metrics.md",
        "<results>/tables/audit.md",
        "<results>/figures/figure1.png",
        "<results>/figures/figure2.png",
        "<results>/figures/losses.png",
        "<results>/figures/cost.png",
        "<results>/figures/forest.png",
        SAMPLES,
        PAGES,


include: "workflow/rules/crate.smk"


rule figures:
    input:
        "<results>/figures/figure1.png",
        "<results>/figures/figure2.png",
        "<results>/figures/losses.png",
        "<results>/figures/cost.png",
        "<results>/figures/forest.png",


for model in MODELS:
    if workflow.is_rule(model):
        sys.exit(f"error: config: models: '{model}' is the name of a rule already; give the model another")

    rule:
        name:
            model
        input:
            of_runs(f"<results>/runs/{RUN}/summary.json", [run for run in RUNS if run.model == model]),
            of_runs(f"<results>/runs/{RUN}/curve.json", [run for run in TUNED if run.model == model]),
