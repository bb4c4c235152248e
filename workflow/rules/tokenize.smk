# Needs: the split, the model's tokenizer.
# Gives: <results>/tokens/{dataset}/{model}/{template}/{train,validation}.arrow  token sets for training
#                                                      stats.json                lengths, truncation, packing, example
#        <results>/prompts/{test}/{model}/{template}/none/seed0/prompts.arrow    the prompts of a test set
#                                                               stats.json       lengths


rule tokenize:
    """Tokenises the training and validation samples for one model. Needs no torch."""
    input:
        train=in_results(layout.TRAIN),
        validation=in_results(layout.VALIDATION),
        split=in_results(layout.SPLIT),
        tokenizer=in_resources(layout.TOKENIZER),
    output:
        train=in_results(layout.TRAIN_TOKENS),
        validation=in_results(layout.VALIDATION_TOKENS),
        stats=in_results(layout.TOKEN_STATS),
    log:
        "<logs>/tokenize/{dataset}/{model}/{template}.log",
    benchmark:
        "<benchmarks>/tokenize/{dataset}/{model}/{template}.tsv"
    priority: before_gpu_jobs
    conda:
        "../../envs/tokenize.yaml"
    threads: 1  # a job with 2 threads would wait for two free cores, and the training after it would wait, too
    resources:
        mem_mb=3000,
        runtime=20,
        gpu=0,
    params:
        max_length=lookup(within=config, dpath="tokenization/max_length"),
        code=code("tokenize_samples.py", "tokenize"),
    script:
        "../scripts/tokenize_samples.py"


rule prompt:
    """Tokenises the prompts of a test set for one model. Needs no torch."""
    input:
        samples=in_results(layout.TEST),
        split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
        tokenizer=in_resources(layout.TOKENIZER),
    output:
        prompts=in_results(layout.PROMPTS),
        stats=in_results(layout.PROMPT_STATS),
    log:
        "<logs>/prompt/{test}/{model}/{template}.log",
    benchmark:
        "<benchmarks>/prompt/{test}/{model}/{template}.tsv"
    priority: before_gpu_jobs
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
        gpu=0,
    params:
        code=code("prompt.py", "tokenize"),
    script:
        "../scripts/prompt.py"
