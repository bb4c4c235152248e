"""Rules download_tokenizer and download_model."""

from typing import TYPE_CHECKING, Any

from codetune.jobs import job

if TYPE_CHECKING:
    snakemake: Any

with job(snakemake):
    from codetune.hub import fetch_model

    fetch_model(snakemake.params.source, snakemake.output[0], snakemake.params.weights)
