# Needs: the prompts of the test set, the checkpoint, the adapter of a tuned run, a GPU of 24 GB at full size.
# Gives: <results>/runs/{dataset}/{model}/{method}/seed{seed}/predictions.jsonl  one prediction a test sample
#                                                             generation.json    the record


rule generate:
    """Completes all test prompts by greedy decoding, with the same settings for untuned and tuned models."""
    input:
        tokens="<results>/tokens/{dataset}/{model}/test.arrow",
        checkpoint="<resources>/models/{model}",
        adapter=branch(lora_of, then=f"<results>/runs/{RUN}/adapter", otherwise=[]),
    output:
        predictions=f"<results>/runs/{RUN}/predictions.jsonl",
        record=f"<results>/runs/{RUN}/generation.json",
    log:
        f"<logs>/generate/{RUN}.log",
    benchmark:
        f"<benchmarks>/generate/{RUN}.tsv"
    priority: gpu_jobs(-3000)
    conda:
        "../../envs/train.yaml"
    threads: lookup(within=config, dpath="threads/generation")
    resources:
        mem_mb=16000,
        runtime=240,
        gpu=1,
    params:
        quantization=lookup(within=config, dpath="quantization"),
        generation=lookup(within=config, dpath="generation"),
        work=unfinished("generate"),
        code=code("generate.py"),
    script:
        "../scripts/generate.py"
