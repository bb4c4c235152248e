# Needs: a finished study.
# Gives: <results>/ro-crate-metadata.json  the results described for machines: the folder is then an RO-Crate
#        <results>/workflow/               the workflow that made them

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
    localrule: True  # seconds: less than a queue takes
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        project=str(PROJECT),
        config=config,
        engine=__version__,
        code=code("rocrate.py"),
    script:
        "../scripts/rocrate.py"
