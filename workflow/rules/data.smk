# Needs: the hub, or local files (`path` in the config).
# Gives: <resources>/data/{dataset}.jsonl                        the records as published, checked
#        <resources>/data/{dataset}.json                         their number and hash
#        <results>/data/{dataset}/{train,validation,test}.jsonl  the samples
#        <results>/data/{dataset}/split.json                     how they were cleaned and split
#                                                                (of joint data all but the test part, from others)
#        <results>/data/{dataset}/card.md, card.json             what they contain
#        <results>/leaks/{dataset}/{test}.json                   test samples that leak from training data


rule download_dataset:
    """Downloads a data set at its pinned revision, and checks its records against the declared number and SHA-256."""
    output:
        records=in_resources(layout.RECORDS),
        facts=in_resources(layout.IMPORT),
    log:
        "<logs>/download_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/download_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(STUDY.datasets),
    priority: 3000  # all other jobs wait for it
    localrule: True
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
        downloads=1,
    params:
        published=lambda wildcards: declared(STUDY.datasets[wildcards.dataset].published),
        content=lambda wildcards: content(local_dataset(wildcards)),
        network=True,
        asked_first=repositories,
    script:
        "../scripts/download_dataset.py"


rule split:
    """Cleans a data set, and splits it by seed into train, validation and test."""
    input:
        records=in_resources(layout.RECORDS),
        facts=in_resources(layout.IMPORT),
    output:
        train=in_results(layout.TRAIN),
        validation=in_results(layout.VALIDATION),
        test=in_results(layout.TEST_PART),
        facts=in_results(layout.SPLIT),
    log:
        "<logs>/split/{dataset}.log",
    benchmark:
        "<benchmarks>/split/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(STUDY.datasets),
    priority: 3000
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=15),
        runtime=10,
        gpu=0,
    params:
        split=lambda wildcards: declared(STUDY.datasets[wildcards.dataset].split),
        code=code("split.py", "tokenize"),
    script:
        "../scripts/split.py"


rule join:
    """Puts the training parts of several data sets together, and their validation parts, and shuffles each by seed."""
    input:
        train=lambda wildcards: [
            in_results(layout.TRAIN, dataset=name) for name in STUDY.joints[wildcards.dataset].datasets
        ],
        validation=lambda wildcards: [
            in_results(layout.VALIDATION, dataset=name) for name in STUDY.joints[wildcards.dataset].datasets
        ],
        splits=lambda wildcards: [
            in_results(layout.SPLIT, dataset=name) for name in STUDY.joints[wildcards.dataset].datasets
        ],
    output:
        train=in_results(layout.TRAIN),
        validation=in_results(layout.VALIDATION),
        facts=in_results(layout.SPLIT),
    log:
        "<logs>/join/{dataset}.log",
    benchmark:
        "<benchmarks>/join/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(STUDY.joints),
    priority: 3000
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=15),
        runtime=10,
        gpu=0,
    params:
        seed=lambda wildcards: STUDY.joints[wildcards.dataset].seed,
        code=code("join.py", "tokenize"),
    script:
        "../scripts/join.py"


rule card:
    """Describes a data set in a data card: languages, lengths, duplicates. No training depends on it."""
    input:
        train=in_results(layout.TRAIN),
        validation=in_results(layout.VALIDATION),
        test=in_results(layout.TEST_PART),
        facts=in_results(layout.SPLIT),
    output:
        json=in_results(layout.CARD),
        text=in_results(layout.CARD_TEXT),
    log:
        "<logs>/card/{dataset}.log",
    benchmark:
        "<benchmarks>/card/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(STUDY.datasets),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=10),
        runtime=10,
        gpu=0,
    params:
        code=code("card.py", "analysis"),
    script:
        "../scripts/card.py"


rule leaks:
    """Lists the test samples that are in training data or have a near-duplicate there; refuses more than a tenth."""
    input:
        train=in_results(layout.TRAIN),
        validation=in_results(layout.VALIDATION),
        test=in_results(layout.TEST),
        train_split=in_results(layout.SPLIT),
        test_split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
    output:
        in_results(layout.LEAKS),
    log:
        "<logs>/leaks/{dataset}/{test}.log",
    benchmark:
        "<benchmarks>/leaks/{dataset}/{test}.tsv"
    priority: 3000  # a pair that is refused ends the study before anything is trained
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/tokenize.yaml"
    threads: 1
    resources:
        mem_mb=memory(per_mb=15),
        runtime=10,
        gpu=0,
    params:
        code=code("leaks.py", "tokenize"),
    script:
        "../scripts/leaks.py"
