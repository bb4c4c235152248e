"""Rule tokenize; a script called tokenize.py would hide Python's own module."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.base.plain import from_plain
    from codetune.prompts.tokenizing import tokenize_training_data
    from codetune.study.template import Template

    tokenize_training_data(
        dict(snakemake.input.items()),
        checked_folder(snakemake.input.tokenizer),
        from_plain(snakemake.params.template, Template, "rule tokenize: params.template"),
        snakemake.params.max_length,
        dict(snakemake.output.items()),
    )
