# Needs: token sets of train and validation, the checkpoint, a GPU of 24 GB at full size.
# Gives: <results>/runs/{dataset}/{model}/{method}/seed{seed}/
#          adapter/            the best adapter, with its model card
#          checkpoints/        the adapter of each evaluation
#          training_log.jsonl  losses
#          training.json       the record of the run
#        .../curve.json        ROUGE-L against steps
# Keeps: .../unfinished/         what a killed job has done so far; no output, since Snakemake removes those


rule finetune:
    """Fine-tunes one model with QLoRA (sections 3.3 and 3.5) until the validation loss stops falling."""
    input:
        train="<results>/tokens/{dataset}/{model}/train.arrow",
        validation="<results>/tokens/{dataset}/{model}/validation.arrow",
        stats="<results>/tokens/{dataset}/{model}/stats.json",
        checkpoint="<resources>/models/{model}",
    output:
        adapter=directory(f"<results>/runs/{RUN}/adapter"),
        checkpoints=directory(f"<results>/runs/{RUN}/checkpoints"),
        log=f"<results>/runs/{RUN}/training_log.jsonl",
        record=f"<results>/runs/{RUN}/training.json",
    log:
        f"<logs>/finetune/{RUN}.log",
    benchmark:
        f"<benchmarks>/finetune/{RUN}.tsv"
    priority: gpu_jobs(-1000)
    conda:
        "../../envs/train.yaml"
    threads: lookup(within=config, dpath="threads/training")
    resources:
        mem_mb=24000,
        runtime=720,
        gpu=1,
    params:
        model=training_of,
        lora=lora_of,
        quantization=lookup(within=config, dpath="quantization"),
        training=lookup(within=config, dpath="training"),
        max_length=lookup(within=config, dpath="tokenization/max_length"),
        work=unfinished("finetune"),
        code=code("finetune.py"),
    script:
        "../scripts/finetune.py"


rule curve:
    """Measures ROUGE-L of each kept checkpoint on a fixed validation subset, the base loaded once (Figure 2)."""
    input:
        samples="<results>/data/{dataset}/validation.jsonl",
        tokens="<results>/tokens/{dataset}/{model}/validation.arrow",
        checkpoint="<resources>/models/{model}",
        checkpoints=f"<results>/runs/{RUN}/checkpoints",
    output:
        f"<results>/runs/{RUN}/curve.json",
    log:
        f"<logs>/curve/{RUN}.log",
    benchmark:
        f"<benchmarks>/curve/{RUN}.tsv"
    priority: gpu_jobs(-2000)
    conda:
        "../../envs/train.yaml"
    threads: lookup(within=config, dpath="threads/generation")
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=1,
    params:
        quantization=lookup(within=config, dpath="quantization"),
        generation=lookup(within=config, dpath="generation"),
        samples=lookup(within=config, dpath="curve/samples"),
        work=unfinished("curve"),
        code=code("curve.py"),
    script:
        "../scripts/curve.py"
