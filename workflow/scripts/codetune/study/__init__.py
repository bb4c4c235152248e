"""The nouns of a study, the record of a run, and where files lie.

These modules compute no result, so a change here reruns nothing.
"""
