"""Rule provenance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import read_as
    from codetune.report.provenance import write_provenance
    from codetune.study.examples import EmbeddingFacts
    from codetune.study.records import read_records

    records = read_records([snakemake.input.records])
    embeddings = [read_as(path, EmbeddingFacts) for path in snakemake.input.embeddings]
    write_provenance(records, snakemake.params.config, snakemake.output[0], embeddings)
