"""The study's logic: from samples to tables and figures. Knows nothing of Snakemake.

Layers, imports go downwards only:

    tables, figures
    metrics
    training, generation, curves
    models                          (these two lines alone import torch)
    tokens
    prompts
    samples, hub, study
    architectures, records, jobs, devices, files, errors
"""
