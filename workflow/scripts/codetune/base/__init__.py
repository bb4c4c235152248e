"""The ground floor: errors, files, downloads, locks and the surroundings of a job.

These modules know no study and compute no result, so a change here reruns nothing.
"""
