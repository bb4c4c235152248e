"""Metrics, scores, and how sure they are."""
