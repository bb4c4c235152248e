"""Data sets: from the records as published to the samples of each part."""
