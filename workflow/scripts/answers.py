"""Rule answers."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.answers import Bootstrap, answer_questions
    from codetune.study.question import as_question
    from codetune.study.records import read_records

    records, params = read_records([snakemake.input.records]), snakemake.params
    questions = [as_question(name, entry) for name, entry in params.questions.items()]
    bootstrap = Bootstrap(params.resamples, params.seed)
    answer_questions(records, questions, params.metric, bootstrap, snakemake.output[0])
