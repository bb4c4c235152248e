"""Rule tokenize."""

from typing import TYPE_CHECKING, Any

from codetune.jobs import job

if TYPE_CHECKING:
    snakemake: Any

with job(snakemake):
    from codetune.tokens import tokenize_dataset

    tokenize_dataset(
        dict(snakemake.input.items()),
        snakemake.input.tokenizer,
        snakemake.params.template,
        snakemake.params.max_length,
        dict(snakemake.output.items()),
    )
