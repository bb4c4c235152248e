"""Rule score."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.score import score_predictions
    from codetune.study.custody import check_inputs

    inputs = dict(snakemake.input.items())
    del inputs["origin"]  # which lies beside the predictions
    check_inputs([inputs["predictions"]])
    score_predictions(**inputs, **dict(snakemake.output.items()), candidates=snakemake.params.get("candidates", 1))
