"""The ground floor: errors, files, the hub, jobs.

It knows no study and computes no result, so that no change here reruns anything.
"""
