# Needs: the training samples and the samples of a test set. Needs neither a model nor a GPU.
# Gives: in <results>/runs/{data}/none/{method}/seed{seed}/tests/{test}/
#        predictions.jsonl  one prediction per test sample
#        retrieval.json     facts of the retrieval


rule retrieve:
    """Answers each test sample with the output of the most similar training sample: what the data alone are worth."""
    input:
        train=for_run(layout.TRAIN),
        test=in_results(layout.TEST),
        train_split=for_run(layout.SPLIT),
        test_split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
    output:
        predictions=in_results(layout.PREDICTIONS),
        facts=in_results(layout.RETRIEVAL),
    log:
        f"<logs>/retrieve/{layout.EVALUATION}.log",
    benchmark:
        f"<benchmarks>/retrieve/{layout.EVALUATION}.tsv"
    wildcard_constraints:
        model=one_of([NONE]),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=30),
        runtime=10,
        gpu=0,
    params:
        code=code("retrieve.py", "analysis"),
    script:
        "../scripts/retrieve.py"
