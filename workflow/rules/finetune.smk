# Needs: token sets of train and validation, the checkpoint, a GPU of 24 GB at full size.
# Gives: <results>/runs/{data}/{model}/{method}/seed{seed}/
#          tuned/                   the best checkpoint: an adapter, or a whole model
#          checkpoints/             that of each evaluation; both folders have a manifest.json
#          training_log.jsonl       losses against steps
#          training.json            facts of the training
#          curve/predictions.jsonl  completions of each checkpoint
#          curve.json               their scores against steps
#          search.json              where settings are searched: the trials, each in the folder of <method>@<n>
#          checkpoints/dropped.json  with keep_checkpoints: none, that they were deleted
# Keeps: .../unfinished/            what a killed job has done so far; not an output, because Snakemake removes those


rule finetune:
    """Trains a model by the method of its run (QLoRA: sections 3.3 and 3.5) until the validation loss stops falling."""
    input:
        **only_rehearsed(sizes=in_results(layout.SIZES)),
        train=for_run(layout.TRAIN_TOKENS),
        validation=for_run(layout.VALIDATION_TOKENS),
        stats=for_run(layout.TOKEN_STATS),
        checkpoint=in_resources(BASE),
    output:
        tuned=in_results(layout.TUNED),
        checkpoints=in_results(layout.CHECKPOINTS),
        log=in_results(layout.TRAINING_LOG),
        facts=in_results(layout.TRAINING),
    log:
        f"<logs>/finetune/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/finetune/{layout.RUN}.tsv"
    wildcard_constraints:
        method=one_of(STUDY.trained),
    priority: gpu_jobs(-1000)
    conda:
        GPU_ENV
    threads: threads_of("training")
    resources:
        mem_mb=memory_on_host(memory_of_training),
        runtime=720,
        gpu=GPUS,
        gpu_memory_gb=lambda wildcards: gpu_memory_of(STUDY, run_of(wildcards)),
        checkpoints_mb=round(1000 * config["checkpoints_gb"]),  # as a resource it plans no training again
    params:
        **only_rehearsed(rehearsed=rehearsed),
        plan=lambda wildcards: to_plain(STUDY.for_training(run_of(wildcards))),
        is_trial=lambda wildcards: wildcards.method not in STUDY.methods,
        work=unfinished("finetune"),
        code=code_of("finetune"),
    script:
        script_of("finetune")


rule choose:
    """Takes the training with the lowest validation loss, where a method's settings are searched, for the run's own."""
    input:
        tuned=of_trials(layout.TUNED),
        checkpoints=of_trials(layout.CHECKPOINTS),
        log=of_trials(layout.TRAINING_LOG),
        facts=of_trials(layout.TRAINING),
    output:
        tuned=in_results(layout.TUNED),
        checkpoints=in_results(layout.CHECKPOINTS),
        log=in_results(layout.TRAINING_LOG),
        facts=in_results(layout.TRAINING),
        search=in_results(layout.SEARCH),
    log:
        f"<logs>/choose/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/choose/{layout.RUN}.tsv"
    wildcard_constraints:
        method=one_of(STUDY.trials),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
        gpu=0,
    params:
        trials=lambda wildcards: STUDY.values_of(wildcards.method),
        code=code("choose.py", "analysis"),
    script:
        "../scripts/choose.py"


rule curve:
    """Completes a fixed subset of the validation prompts with each kept checkpoint; the base model is loaded once."""
    input:
        **only_rehearsed(samples=for_run(layout.VALIDATION)),
        tokens=for_run(layout.VALIDATION_TOKENS),
        stats=for_run(layout.TOKEN_STATS),
        checkpoint=in_resources(BASE),
        checkpoints=in_results(layout.CHECKPOINTS),
    output:
        predictions=in_results(layout.CURVE_PREDICTIONS),
    log:
        f"<logs>/curve/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/curve/{layout.RUN}.tsv"
    priority: gpu_jobs(-2000)
    conda:
        GPU_ENV
    threads: threads_of("generation")
    resources:
        mem_mb=memory_on_host(16000),
        runtime=480,
        gpu=GPUS,
        gpu_memory_gb=lambda wildcards: gpu_memory_of(STUDY, run_of(wildcards)),
    params:
        **only_rehearsed(rehearsed=rehearsed),
        quantization=lambda wildcards: to_plain(STUDY.methods[wildcards.method].quantization),
        tuning=lambda wildcards: tuning_of(wildcards) and to_plain(tuning_of(wildcards)),
        decoding=declared(STUDY.decoding.greedy),
        samples=lookup(within=config, dpath="curve/samples"),
        work=unfinished("curve"),
        code=code_of("curve"),
    script:
        script_of("curve")


rule drop_checkpoints:
    """Deletes the checkpoints of all evaluations once the curve is drawn (keep_checkpoints: none); the best one stays."""
    input:
        checkpoints=in_results(layout.CHECKPOINTS),
        trials=of_trials(layout.CHECKPOINTS),
        curve=in_results(layout.CURVE),
    output:
        in_results(layout.DROPPED),
    log:
        f"<logs>/drop_checkpoints/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/drop_checkpoints/{layout.RUN}.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code("drop_checkpoints.py", "analysis"),
    script:
        "../scripts/drop_checkpoints.py"


rule score_curve:
    """Scores the completions of each checkpoint by every metric (Figure 2). Needs no torch."""
    input:
        samples=for_run(layout.VALIDATION),
        split=for_run(layout.SPLIT),
        predictions=in_results(layout.CURVE_PREDICTIONS),
    output:
        in_results(layout.CURVE),
    log:
        f"<logs>/score_curve/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/score_curve/{layout.RUN}.tsv"
    localrule: True  # takes a minute, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=20, least=1500),  # 1 GB of it for the process that measures a text
        runtime=30,
        gpu=0,
    params:
        code=code("score_curve.py", "analysis"),
    script:
        "../scripts/score_curve.py"
