"""Rule embed."""

from codetune.base.jobs import importing, job

with job(snakemake):
    with importing():
        from codetune.base.manifests import checked_folder
        from codetune.data.samples import read_part, sha256_of_samples
        from codetune.models.embed import embed_requests

    samples = read_part(snakemake.input.samples, snakemake.input.split)
    folder, name = checked_folder(snakemake.input.encoder), snakemake.wildcards.encoder
    requests = [sample.request for sample in samples]
    embed_requests(requests, sha256_of_samples(samples), name, folder, dict(snakemake.output.items()))
