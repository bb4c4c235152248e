"""Rule card."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.card import write_card

    write_card(snakemake.input.facts, dict(snakemake.input.items()), dict(snakemake.output.items()))
