"""Rehearsal of a study: what its GPU jobs would leave, made up, so that all else can be made from it."""
