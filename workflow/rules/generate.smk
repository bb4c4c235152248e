# Needs: the prompts of a test set, the checkpoint, what was trained in a tuned run, a GPU of 24 GB at full size.
# Gives: in <results>/runs/{data}/{model}/{method}/seed{seed}/tests/{test}/
#        predictions.jsonl  one prediction per test sample
#        generation.json    facts of the generation


rule generate:
    """Completes all prompts of a test set with the same settings for untuned and tuned models."""
    input:
        **only_rehearsed(samples=samples_of_test),
        prompts=prompts_of(layout.PROMPTS),
        stats=prompts_of(layout.PROMPT_STATS),
        checkpoint=in_resources(BASE),
        tuned=branch(trains, then=in_results(layout.TUNED), otherwise=[]),
        # Waited for, not read: a list that is made anew changes no prediction.
        leaks=leaks_of,
    output:
        predictions=in_results(layout.PREDICTIONS),
        facts=in_results(layout.GENERATION),
    log:
        f"<logs>/generate/{layout.EVALUATION}.log",
    benchmark:
        f"<benchmarks>/generate/{layout.EVALUATION}.tsv"
    priority: gpu_jobs(-3000)
    conda:
        GPU_ENV
    threads: threads_of("generation")
    resources:
        mem_mb=memory_on_host(16000),
        runtime=240,
        gpu=GPUS,
        gpu_memory_gb=lambda wildcards: gpu_memory_of(STUDY, run_of(wildcards)),
    params:
        **only_rehearsed(rehearsed=rehearsed),
        quantization=lambda wildcards: to_plain(STUDY.method_of(run_of(wildcards)).quantization),
        tuning=lambda wildcards: tuning_of(wildcards) and to_plain(tuning_of(wildcards)),
        decoding=lambda wildcards: declared(STUDY.decoding_for(run_of(wildcards))),
        work=unfinished("generate-{test}"),
        code=code_of("generate"),
    script:
        script_of("generate")
