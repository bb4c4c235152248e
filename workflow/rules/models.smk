# Needs: the hub, or a local checkpoint folder (`path` in the config).
# Gives: <resources>/tokenizers/{model}/  configuration and tokenizer, all that table 1 and tokenising need
#        <resources>/models/{model}/      the same with the weights
#        <resources>/encoders/{encoder}/  an encoder, by which requests are compared
# Rules name each folder by its manifest.json, which holds the size and SHA-256 of each file.


rule download_tokenizer:
    """Downloads a checkpoint's configuration and tokenizer files, a few megabytes, at its pinned revision."""
    output:
        in_resources(layout.TOKENIZER),
    log:
        "<logs>/download_tokenizer/{model}.log",
    benchmark:
        "<benchmarks>/download_tokenizer/{model}.tsv"
    priority: lambda wildcards: 500 + before_gpu_jobs(wildcards)  # the small files before the large ones
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
        gpu=0,
        downloads=1,
    params:
        source=lambda wildcards: declared(STUDY.models[wildcards.model].source),
        content=lambda wildcards: content(STUDY.models[wildcards.model].source.files_of_checkpoint(weights=False)),
        weights=False,
        network=True,
        asked_first=repositories,
    script:
        "../scripts/download_model.py"


rule download_model:
    """Downloads a whole checkpoint, 2.5 to 7.6 GB of safetensors, at its pinned revision."""
    output:
        in_resources(layout.CHECKPOINT),
    log:
        "<logs>/download_model/{model}.log",
    benchmark:
        "<benchmarks>/download_model/{model}.tsv"
    priority: before_gpu_jobs
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
        gpu=0,
        downloads=1,
    params:
        source=lambda wildcards: declared(STUDY.models[wildcards.model].source),
        content=lambda wildcards: content(STUDY.models[wildcards.model].source.files_of_checkpoint(weights=True)),
        weights=True,
        network=True,
        asked_first=repositories,
    script:
        "../scripts/download_model.py"


rule download_encoder:
    """Downloads an encoder in the format of sentence-transformers, some 100 MB, at its pinned revision."""
    output:
        in_resources(layout.ENCODER),
    log:
        "<logs>/download_encoder/{encoder}.log",
    benchmark:
        "<benchmarks>/download_encoder/{encoder}.tsv"
    priority: 4000  # a small one, which examples wait for
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        gpu=0,
        downloads=1,
    params:
        source=lambda wildcards: declared(STUDY.encoders[wildcards.encoder]),
        content=lambda wildcards: content(STUDY.encoders[wildcards.encoder].files_of_encoder()),
        network=True,
        asked_first=repositories,
    script:
        "../scripts/download_encoder.py"
