"""Rule tokenize; a script called tokenize.py would hide Python's own module."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.prompts.tokenizing import tokenize_training_data

    tokenize_training_data(
        dict(snakemake.input.items()),
        checked_folder(snakemake.input.tokenizer),
        snakemake.wildcards.template,
        snakemake.params.max_length,
        dict(snakemake.output.items()),
    )
