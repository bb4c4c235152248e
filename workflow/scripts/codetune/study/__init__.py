"""The nouns of a study, its record, and where its files lie.

Nothing here computes a result, so that no change here reruns anything.
"""
