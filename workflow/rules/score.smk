# Needs: the test samples, a run's predictions.
# Gives: <results>/runs/{dataset}/{model}/{method}/seed{seed}/scores.jsonl  one row a sample
#                                                             summary.json  means


rule score:
    """Scores each prediction against its reference with ROUGE-L (equation 4). Needs no torch."""
    input:
        references="<results>/data/{dataset}/test.jsonl",
        predictions=f"<results>/runs/{RUN}/predictions.jsonl",
    output:
        scores=f"<results>/runs/{RUN}/scores.jsonl",
        summary=f"<results>/runs/{RUN}/summary.json",
    log:
        f"<logs>/score/{RUN}.log",
    benchmark:
        f"<benchmarks>/score/{RUN}.tsv"
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code("score.py"),
    script:
        "../scripts/score.py"
