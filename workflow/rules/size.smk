# Needs: the configuration of each model that is tuned, without weights.
# Gives: <results>/sizes/{model}.json  how many parameters each method trains of it


rule size:
    """Counts the parameters that each method trains of each model, by PEFT itself, on models without weights."""
    input:
        [in_resources(layout.TOKENIZER, model=model) for model in STUDY.tunings],
    output:
        [in_results(layout.SIZES, model=model) for model in STUDY.tunings],
    log:
        "<logs>/size.log",
    benchmark:
        "<benchmarks>/size.tsv"
    localrule: True  # takes seconds, nearly all of them to load PEFT, once for all models
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=20,
        gpu=0,
    params:
        tunings={
            model: {method: to_plain(tuning) for method, tuning in tunings.items()}
            for model, tunings in STUDY.tunings.items()
        },
        code=code("size.py", "train"),
    script:
        "../scripts/size.py"
