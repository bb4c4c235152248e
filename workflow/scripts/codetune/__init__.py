"""The study's logic: from samples to tables and figures. Knows nothing of Snakemake.

Layers, imports go downwards only (a test holds them to it):

    tables, figures, browser, crate
    curves
    training, generation
    metrics
    models, memory        (these, training, generation and curves alone load torch)
    tokens
    prompts
    samples, hub, study, cards
    languages, architectures, records, jobs, fingerprints, unfinished, pages, provenance
    devices, files
    signals, errors
"""
