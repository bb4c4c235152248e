"""Rule tokenize."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.prompts.tokenizing import tokenize_dataset

    tokenize_dataset(
        dict(snakemake.input.items()),
        snakemake.input.tokenizer,
        snakemake.params.template,
        snakemake.params.max_length,
        dict(snakemake.output.items()),
    )
