"""Probabilities of a large file, a shard at a time: the flow `score`.

pairs    the stage that copies responses and constraints into shards
stage    the stage that scores them, and what is looked at before
output   the file's rows with their probabilities
"""
