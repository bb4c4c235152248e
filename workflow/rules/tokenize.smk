# Needs: the split, the model's tokenizer; of prompts with examples, the choice of these and, if there is one, of their
#        number.
# Gives: <results>/tokens/{dataset}/{model}/{template}/{train,validation}.arrow  token sets for training
#                                                      stats.json                lengths, truncation, packing, example
#        <results>/prompts/{test}/{model}/{prompt}/{data}/seed{seed}/prompts.arrow  the prompts of a test set
#                                                                    stats.json     lengths, examples


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
        template=lambda wildcards: to_plain(STUDY.templates[wildcards.template]),
        max_length=lookup(within=config, dpath="tokenization/max_length"),
        code=code("tokenize_samples.py", "tokenize"),
    script:
        "../scripts/tokenize_samples.py"


rule prompt:
    """Tokenises the prompts of a test set for one model. Needs no torch."""
    input:
        samples=samples_of_test,
        split=split_of_test,
        tokenizer=in_resources(layout.TOKENIZER),
        examples=branch(has_examples, then=in_results(layout.EXAMPLES), otherwise=[]),
        train=branch(has_examples, then=for_examples(layout.TRAIN), otherwise=[]),
        train_split=branch(has_examples, then=for_examples(layout.SPLIT), otherwise=[]),
        number=count_of_prompts,
    output:
        prompts=in_results(layout.PROMPTS),
        stats=in_results(layout.PROMPT_STATS),
    log:
        f"<logs>/prompt/{layout.OF_PROMPTS}.log",
    benchmark:
        f"<benchmarks>/prompt/{layout.OF_PROMPTS}.tsv"
    priority: before_gpu_jobs
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
        gpu=0,
    params:
        template=lambda wildcards: to_plain(
            STUDY.templates[STUDY.prompt_called(wildcards.prompt, wildcards.data).template]
        ),
        examples=lambda wildcards: has_examples(wildcards)
        and declared(STUDY.prompt_called(wildcards.prompt, wildcards.data).examples),
        room=lambda wildcards: STUDY.decoding.max_new_tokens if has_examples(wildcards) else None,
        code=code("prompt.py", "tokenize"),
    script:
        "../scripts/prompt.py"
