from snakemake.utils import min_version

min_version("9.27.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=config["results"],
    resources=config["resources"],
    logs=config["results"] + "/logs",
    benchmarks=config["results"] + "/benchmarks",


include: "workflow/rules/targets.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tokenize.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
