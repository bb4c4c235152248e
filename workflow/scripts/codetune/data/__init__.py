"""Data sets: from published records to the samples of each part."""
