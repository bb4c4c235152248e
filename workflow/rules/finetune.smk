# Needs: token sets of train and validation, the checkpoint, a GPU of 24 GB at full size.
# Gives: <results>/runs/{data}/{model}/{method}/seed{seed}/
#          tuned/                   the best adapter
#          checkpoints/             the adapter of each evaluation
#          training_log.jsonl       losses against steps
#          training.json            facts of the training
#          curve/predictions.jsonl  completions of each checkpoint
#          curve.json               their scores against steps
# Keeps: .../unfinished/            what a killed job has done so far; not an output, because Snakemake removes those


rule finetune:
    """Fine-tunes one model with QLoRA (sections 3.3 and 3.5) until the validation loss stops falling."""
    input:
        train=for_run(layout.TRAIN_TOKENS),
        validation=for_run(layout.VALIDATION_TOKENS),
        stats=for_run(layout.TOKEN_STATS),
        checkpoint=in_resources(layout.CHECKPOINT),
    output:
        tuned=directory(in_results(layout.TUNED)),
        checkpoints=directory(in_results(layout.CHECKPOINTS)),
        log=in_results(layout.TRAINING_LOG),
        facts=in_results(layout.TRAINING),
    log:
        f"<logs>/finetune/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/finetune/{layout.RUN}.tsv"
    priority: gpu_jobs(-1000)
    conda:
        "../../envs/train.yaml"
    threads: lookup(within=config, dpath="threads/training")
    resources:
        mem_mb=24000,
        runtime=720,
        gpu=1,
    params:
        plan=lambda wildcards: to_plain(STUDY.for_training(run_of(wildcards))),
        work=unfinished("finetune"),
        code=code("finetune.py"),
    script:
        "../scripts/finetune.py"


rule curve:
    """Completes a fixed subset of the validation prompts with each kept checkpoint; the base model is loaded once."""
    input:
        tokens=for_run(layout.VALIDATION_TOKENS),
        checkpoint=in_resources(layout.CHECKPOINT),
        checkpoints=in_results(layout.CHECKPOINTS),
    output:
        predictions=in_results(layout.CURVE_PREDICTIONS),
    log:
        f"<logs>/curve/{layout.RUN}.log",
    benchmark:
        f"<benchmarks>/curve/{layout.RUN}.tsv"
    priority: gpu_jobs(-2000)
    conda:
        "../../envs/train.yaml"
    threads: lookup(within=config, dpath="threads/generation")
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=1,
    params:
        quantization=to_plain(STUDY.quantization),
        decoding=to_plain(STUDY.decoding),
        samples=lookup(within=config, dpath="curve/samples"),
        work=unfinished("curve"),
        code=code("curve.py"),
    script:
        "../scripts/curve.py"


rule score_curve:
    """Scores the completions of each checkpoint by every metric (Figure 2). Needs no torch."""
    input:
        samples=for_run(layout.VALIDATION),
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
        mem_mb=1000,
        runtime=30,
        gpu=0,
    params:
        code=code("score_curve.py"),
    script:
        "../scripts/score_curve.py"
