"""The study's logic: from samples to tables and figures. Knows nothing of Snakemake.

Layers, imports go downwards only (a test holds them to it):

    audit, tables, figures, checking, browser, crate
    curves, significance
    training, generation
    metrics
    rouge, parsing, bootstrap
    models, memory, attention, caches   (these, training, generation and curves alone load torch)
    tokens
    prompts
    samples, hub, study, cards
    languages, architectures, records, jobs, fingerprints, unfinished, duplicates, pages, provenance
    summaries
    devices
    locks
    files, slurm
    signals, errors
"""
