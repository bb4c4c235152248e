# Needs: the training samples, the samples of a test set; where an encoder tells what is similar, this. Needs no GPU.
# Gives: <results>/data/{data}/examples/{test}/{prompt}/seed{seed}.json  which training samples stand in which prompt
#        <results>/data/{dataset}/embeddings/{encoder}/{train,test}.npy  vectors of the requests
#                                                      {train,test}.json how they were made


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
        test=in_results(layout.TEST),
        train_split=for_examples(layout.SPLIT),
        test_split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
        vectors=embedded(layout.VECTORS),
        embeddings=embedded(layout.EMBEDDING),
    output:
        in_results(layout.EXAMPLES),
    log:
        "<logs>/examples/{data}/{test}/{prompt}/seed{seed}.log",
    benchmark:
        "<benchmarks>/examples/{data}/{test}/{prompt}/seed{seed}.tsv"
    wildcard_constraints:
        data=one_of(STUDY.datasets),
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
