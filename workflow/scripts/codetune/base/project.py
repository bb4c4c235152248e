"""The folder of the project, whose own files (the paper's numbers, templates of pages) jobs read."""

from pathlib import Path

# From this file's place: an absolute path in a rule would rerun it wherever the project is moved.
PROJECT = Path(__file__).parents[4]
