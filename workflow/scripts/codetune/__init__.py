"""The study's logic: from samples to tables and figures. Knows nothing of Snakemake.

A room for each section of the config, on six floors; imports go downwards only (README.md beside this file):

    6  report, rehearsal
    5  training, generation, papers
    4  prompts, methods, evaluation, execution
    3  data, models
    2  study
    1  base
"""
