# Needs: a model's configuration, without its weights.
# Gives: <results>/sizes/{model}.json  how many parameters each method trains of it


rule size:
    """Counts the parameters that each method trains of a model, by PEFT itself, on a model without weights."""
    input:
        in_resources(layout.TOKENIZER),
    output:
        in_results(layout.SIZES),
    log:
        "<logs>/size/{model}.log",
    benchmark:
        "<benchmarks>/size/{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.tunings),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=20,
        gpu=0,
    params:
        tunings=lambda wildcards: {name: to_plain(tuning) for name, tuning in STUDY.tunings[wildcards.model].items()},
        code=code("size.py", "train"),
    script:
        "../scripts/size.py"
