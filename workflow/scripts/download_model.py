"""Rules download_tokenizer and download_model."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.models.checkpoints import fetch_model

    fetch_model(snakemake.params.source, snakemake.output[0], snakemake.params.weights)
