# The workflow is workflow/Snakefile; this one lets `snakemake` find it, with the profiles, from here or from elsewhere.
# An `include:` would leave the default target out.

workflow.include("workflow/Snakefile", overwrite_default_target=True)
