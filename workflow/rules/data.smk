# Needs: the hub, or a local file (`path` in the config).
# Gives: <resources>/data/{dataset}.jsonl                        the records as published, checked
#        <results>/data/{dataset}/{train,validation,test}.jsonl  the samples
#        <results>/data/{dataset}/card.md, card.json             what is in them


rule download_dataset:
    """Fetches a data set at its pinned revision and checks its records against the declared count and SHA-256."""
    output:
        "<resources>/data/{dataset}.jsonl",
    log:
        "<logs>/download_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/download_dataset/{dataset}.tsv"
    priority: 3000  # all wait for it
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        dataset=lookup(within=config, dpath="datasets/{dataset}"),
        network=True,
    script:
        "../scripts/download_dataset.py"


rule split:
    """Cleans a data set, splits it by seed, and describes it in a data card."""
    input:
        "<resources>/data/{dataset}.jsonl",
    output:
        train="<results>/data/{dataset}/train.jsonl",
        validation="<results>/data/{dataset}/validation.jsonl",
        test="<results>/data/{dataset}/test.jsonl",
        card="<results>/data/{dataset}/card.json",
        card_text="<results>/data/{dataset}/card.md",
    log:
        "<logs>/split/{dataset}.log",
    benchmark:
        "<benchmarks>/split/{dataset}.tsv"
    priority: 3000
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        split=lookup(within=config, dpath="datasets/{dataset}/split"),
        code=code("split.py"),
    script:
        "../scripts/split.py"
