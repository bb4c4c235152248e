# Needs: the split, the model's tokenizer.
# Gives: <results>/tokens/{dataset}/{model}/{train,validation,test}.arrow  token sets
#        <results>/tokens/{dataset}/{model}/stats.json                     lengths, truncation, packing, an example


rule tokenize:
    """Serialises and tokenises all samples for one model. Needs no torch."""
    input:
        train="<results>/data/{dataset}/train.jsonl",
        validation="<results>/data/{dataset}/validation.jsonl",
        test="<results>/data/{dataset}/test.jsonl",
        tokenizer="<resources>/tokenizers/{model}",
    output:
        train="<results>/tokens/{dataset}/{model}/train.arrow",
        validation="<results>/tokens/{dataset}/{model}/validation.arrow",
        test="<results>/tokens/{dataset}/{model}/test.arrow",
        stats="<results>/tokens/{dataset}/{model}/stats.json",
    log:
        "<logs>/tokenize/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/tokenize/{dataset}/{model}.tsv"
    priority: before_gpu_jobs
    conda:
        "../../envs/tokenize.yaml"
    threads: 1  # a job of 2 would wait for two free cores, and hold up the training behind it
    resources:
        mem_mb=3000,
        runtime=20,
        gpu=0,
    params:
        template=template_of,
        max_length=lookup(within=config, dpath="tokenization/max_length"),
        code=code("tokenize_samples.py"),
    script:
        "../scripts/tokenize_samples.py"
