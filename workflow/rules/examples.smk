# Needs: the training samples, the samples of a test set. Needs neither a model nor a GPU.
# Gives: <results>/data/{data}/examples/{test}/{prompt}/seed{seed}.json  which training samples stand in which prompt


rule examples:
    """Chooses the training samples that stand as examples in the prompts of a test set, for all models alike."""
    input:
        train=for_examples(layout.TRAIN),
        test=in_results(layout.TEST),
        train_split=for_examples(layout.SPLIT),
        test_split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
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
        examples=lambda wildcards: to_plain(STUDY.prompt_called(wildcards.prompt, wildcards.data).examples),
        code=code("examples.py", "analysis"),
    script:
        "../scripts/examples.py"
