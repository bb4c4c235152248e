"""Rule download_encoder."""

from codetune.base.jobs import job

with job(snakemake):
    from pathlib import Path

    from codetune.base.hub_access import ask_for_access
    from codetune.base.plain import from_plain
    from codetune.models.checkpoints import fetch_encoder
    from codetune.study.model import Source

    source = from_plain(snakemake.params.source, Source, "params.source")
    ask_for_access(snakemake.params.asked_first)
    fetch_encoder(source, Path(snakemake.output[0]).parent)
