# Needs: a finished study.
# Gives: <results>/ro-crate-metadata.json  machine-readable description, which makes the folder an RO-Crate
#        <results>/workflow/               the workflow that produced them

from snakemake import __version__


rule rocrate:
    """Describes a finished study as an RO-Crate: files with sizes and hashes, workflow, sources, versions, authors."""
    input:
        rules.all.input,
    output:
        metadata="<results>/ro-crate-metadata.json",
        workflow=directory("<results>/workflow"),
    log:
        "<logs>/rocrate.log",
    benchmark:
        "<benchmarks>/rocrate.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        config=config,
        engine=__version__,
        code=code("rocrate.py", "analysis"),
    script:
        "../scripts/rocrate.py"
