# What can be asked for by name:
#   snakemake            everything
#   snakemake figures    figure1 and figure2; or one of them, or table1, table2
#   snakemake MODEL      one model's whole branch, by its name in the config: llama-3.2-1b, gemma-2-2b, ...


rule all:
    input:
        "<results>/tables/table1.md",
        "<results>/tables/table2.md",
        "<results>/figures/figure1.png",
        "<results>/figures/figure2.png",
    default_target: True


rule figures:
    input:
        "<results>/figures/figure1.png",
        "<results>/figures/figure2.png",


for model in MODELS:

    rule:
        name:
            model
        input:
            of_runs(f"<results>/runs/{RUN}/summary.json", [run for run in RUNS if run.model == model]),
            of_runs(f"<results>/runs/{RUN}/curve.json", [run for run in RUNS if run.model == model and run.tuned]),
