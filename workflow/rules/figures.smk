# Needs: the training records for figure 1, the curves for figure 2. Neither a GPU nor torch.
# Gives: <results>/figures/figure{1,2}.{png,svg,pdf}


rule figure1:
    """What training used: time, tokens per second, peak memory of each model (Figure 1)."""
    input:
        of_runs(f"<results>/runs/{RUN}/training.json", TUNED),
    output:
        png="<results>/figures/figure1.png",
        svg="<results>/figures/figure1.svg",
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
        svg="<results>/figures/figure2.svg",
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
