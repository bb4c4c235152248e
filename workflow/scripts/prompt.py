"""Rule prompt."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.base.plain import from_plain
    from codetune.prompts.prompt import ChosenExamples, PromptInputs, tokenize_prompts
    from codetune.study.prompt import Examples
    from codetune.study.template import Template

    inputs, params = snakemake.input, snakemake.params
    chosen = None
    if params.examples:
        settings = from_plain(params.examples, Examples, "rule prompt: params.examples")
        of = (inputs.examples, inputs.train, inputs.train_split)
        chosen = ChosenExamples(*of, settings, params.room, inputs.number or None)
    tokenize_prompts(
        PromptInputs(inputs.samples, inputs.split, checked_folder(inputs.tokenizer), chosen),
        from_plain(params.template, Template, "rule prompt: params.template"),
        dict(snakemake.output.items()),
    )
