"""Rule examples."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.prompts.examples import ExampleInputs, choose_examples
    from codetune.study.prompt import Examples

    vectors, embeddings = tuple(snakemake.input.vectors), tuple(snakemake.input.embeddings)
    inputs = ExampleInputs(**{**dict(snakemake.input.items()), "vectors": vectors, "embeddings": embeddings})
    settings = from_plain(snakemake.params.examples, Examples, "rule examples: params.examples")
    choose_examples(inputs, settings, int(snakemake.wildcards.seed), snakemake.output[0])
