"""Rule prompt."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.prompts.prompt import tokenize_prompts

    inputs, template = snakemake.input, snakemake.wildcards.template
    tokenizer = checked_folder(inputs.tokenizer)
    tokenize_prompts(inputs.samples, inputs.split, tokenizer, template, dict(snakemake.output.items()))
