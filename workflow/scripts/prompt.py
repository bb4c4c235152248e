"""Rule prompt."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.prompts.prompt import tokenize_prompts

    inputs = snakemake.input
    tokenize_prompts(inputs.samples, inputs.tokenizer, snakemake.wildcards.template, dict(snakemake.output.items()))
