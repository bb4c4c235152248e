from snakemake.utils import min_version

min_version("9.27.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/execution.smk"


# Folders that patterns of paths name in angle brackets: `<results>` is what the config calls results.
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
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# What can be asked for by name: everything (the default), the figures, one table or figure (table1, table2, metrics,
# breakdown, audit, figure1, figure2, losses, cost, forest), and, by its name in the config, one model's whole branch.


rule all:
    default_target: True
    input:
        each(layout.RECORD, STUDY.runs),
        each(layout.PUBLISHED, STUDY.training_runs),
        [in_results(f"{layout.TABLE}.md".format(table=name)) for name in TABLES],
        [in_results(f"{layout.FIGURE}.png".format(figure=name)) for name in FIGURES],
        SAMPLES,
        PAGES,


# After `all`, whose files it describes.
include: "workflow/rules/crate.smk"


rule figures:
    input:
        [in_results(f"{layout.FIGURE}.png".format(figure=name)) for name in FIGURES],


for name in TABLES:

    rule:
        name:
            name
        input:
            in_results(f"{layout.TABLE}.md".format(table=name)),


for name in FIGURES:

    rule:
        name:
            name
        input:
            in_results(f"{layout.FIGURE}.png".format(figure=name)),


for model in MODELS:
    if workflow.is_rule(model):
        sys.exit(f"error: config: models: '{model}' is the name of a rule already; give the model another")
    own = [run for run in STUDY.runs if run.model == model]

    rule:
        name:
            model
        input:
            each(layout.RECORD, own),
            each(layout.CURVE, [run for run in own if run.trains]),
