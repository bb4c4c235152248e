# Needs: the training records for figure 1 and the cost, the curves for figure 2, the training logs for the losses, the
#        scores for the cost, the intervals for the forest. Neither a GPU nor torch.
# Gives: <results>/figures/{figure1,figure2,losses,cost,forest}.{png,svg,pdf}


rule figure1:
    """What training used: time, tokens per second, peak memory of each model (Figure 1)."""
    input:
        of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
    output:
        png="<results>/figures/figure1.png",
        svg=report(
            "<results>/figures/figure1.svg",
            category="Figures",
            labels={"figure": "Figure 1: what training used"},
            caption="../report/figure1.rst",
        ),
        pdf="<results>/figures/figure1.pdf",
    log:
        "<logs>/figure1.log",
    benchmark:
        "<benchmarks>/figure1.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TUNED],
        models=LABELS,
        code=code("figure1.py"),
    script:
        "../scripts/figure1.py"


rule figure2:
    """ROUGE-L of the fine-tuned models against training steps (Figure 2)."""
    input:
        of_runs(f"<results>/runs/{RUN}/curve.json", TUNED),
    output:
        png="<results>/figures/figure2.png",
        svg=report(
            "<results>/figures/figure2.svg",
            category="Figures",
            labels={"figure": "Figure 2: ROUGE-L against steps"},
            caption="../report/figure2.rst",
        ),
        pdf="<results>/figures/figure2.pdf",
    log:
        "<logs>/figure2.log",
    benchmark:
        "<benchmarks>/figure2.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TUNED],
        models=LABELS,
        code=code("figure2.py"),
    script:
        "../scripts/figure2.py"


rule losses:
    """Training and validation loss against training steps."""
    input:
        of_runs(f"<results>/runs/{RUN}/training_log.jsonl", TUNED),
    output:
        png="<results>/figures/losses.png",
        svg=report(
            "<results>/figures/losses.svg",
            category="Figures",
            labels={"figure": "Losses"},
            caption="../report/losses.rst",
        ),
        pdf="<results>/figures/losses.pdf",
    log:
        "<logs>/losses.log",
    benchmark:
        "<benchmarks>/losses.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TUNED],
        models=LABELS,
        code=code("figure_losses.py"),
    script:
        "../scripts/figure_losses.py"


rule cost:
    """ROUGE-L against what training took: time, memory, and energy where it was measured."""
    input:
        records=of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
        summaries=of_runs(f"<results>/runs/{RUN}/summary.json", TUNED),
    output:
        png="<results>/figures/cost.png",
        svg=report(
            "<results>/figures/cost.svg",
            category="Figures",
            labels={"figure": "Score against cost"},
            caption="../report/cost.rst",
        ),
        pdf="<results>/figures/cost.pdf",
    log:
        "<logs>/cost.log",
    benchmark:
        "<benchmarks>/cost.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TUNED],
        models=LABELS,
        code=code("figure_cost.py"),
    script:
        "../scripts/figure_cost.py"


rule forest:
    """Gain of each tuned model over its untuned self, with its interval."""
    input:
        "<results>/tables/significance.json",
    output:
        png="<results>/figures/forest.png",
        svg=report(
            "<results>/figures/forest.svg",
            category="Figures",
            labels={"figure": "Gains with intervals"},
            caption="../report/forest.rst",
        ),
        pdf="<results>/figures/forest.pdf",
    log:
        "<logs>/forest.log",
    benchmark:
        "<benchmarks>/forest.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        runs=[vars(run) for run in TUNED],
        models=LABELS,
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("figure_forest.py"),
    script:
        "../scripts/figure_forest.py"
