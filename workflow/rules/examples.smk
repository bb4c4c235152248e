# Needs: the training samples, the samples of a test set; where an encoder tells what is similar, this; for a choice
#        among numbers of examples, their scores. Needs no GPU.
# Gives: <results>/data/{data}/examples/{test}/{prompt}/seed{seed}.json  which training samples stand in which prompt
#        <results>/data/{dataset}/embeddings/{encoder}/{part}.npy        vectors of the requests
#                                                      {part}.json       how they were made
#        <results>/runs/{data}/{model}/{method}/seed{seed}/count.json    how many examples, where that is chosen


rule embed:
    """Computes the vectors of requests by an encoder, for all choices of examples that compare them.

    A CPU suffices: an encoder of gte-small's shape takes about eight minutes of one core for the 17,014 training
    requests of CodeAlpaca-20k, which have 26 tokens on average, and 1.3 GB where a batch's requests have 512 tokens.
    """
    input:
        samples=in_results(layout.PART),
        split=in_results(layout.SPLIT),
        encoder=in_resources(layout.ENCODER),
    output:
        vectors=in_results(layout.VECTORS),
        facts=in_results(layout.EMBEDDING),
    log:
        "<logs>/embed/{dataset}/{encoder}/{part}.log",
    benchmark:
        "<benchmarks>/embed/{dataset}/{encoder}/{part}.tsv"
    priority: 3500  # before the choice of examples
    conda:
        "../../envs/embed.yaml"
    threads: 1  # with another number sums are taken in another order, and the last digits differ
    resources:
        mem_mb=2000,
        runtime=120,
        gpu=0,
    params:
        code=code("embed.py", "embed"),
    script:
        "../scripts/embed.py"


rule examples:
    """Chooses the training samples that stand as examples in the prompts of a test set, for all models alike."""
    input:
        train=for_examples(layout.TRAIN),
        test=samples_of_test,
        train_split=for_examples(layout.SPLIT),
        test_split=split_of_test,
        vectors=embedded(layout.VECTORS),
        embeddings=embedded(layout.EMBEDDING),
    output:
        in_results(layout.EXAMPLES),
    log:
        "<logs>/examples/{data}/{test}/{prompt}/seed{seed}.log",
    benchmark:
        "<benchmarks>/examples/{data}/{test}/{prompt}/seed{seed}.tsv"
    wildcard_constraints:
        data=one_of([*STUDY.datasets, *STUDY.joints]),
    priority: 3000  # GPU jobs wait for what is made from it
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=20),
        runtime=10,
        gpu=0,
    params:
        examples=lambda wildcards: declared(STUDY.prompt_called(wildcards.prompt, wildcards.data).examples),
        code=code("examples.py", "analysis"),
    script:
        "../scripts/examples.py"


rule choose_count:
    """Takes the number of examples with the best score on the validation part for the prompts of a run."""
    input:
        lambda wildcards: each(layout.SUMMARY, STUDY.count_trials_of(run_of(wildcards))),
    output:
        in_results(layout.COUNT),
    log:
        f"<logs>/choose_count/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/choose_count/{layout.RUN}.tsv"
    wildcard_constraints:
        method=one_of(STUDY.count_trials),
    priority: 3000  # GPU jobs wait for what is made from it
    localrule: True  # takes a second, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        trials=lambda wildcards: STUDY.counts_of(wildcards.method),
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("choose_count.py", "analysis"),
    script:
        "../scripts/choose_count.py"
