"""The reward model: P(satisfied | response, constraint), a classifier trained on pseudo-labels (paper, section 3.4).

model/     the template, packing and scoring: a trained folder as a Scorer, and over files
train/     the stage, and the process that trains
quality/   how good the probabilities are: figures, calibration, what they have to beat
serve/     a Scorer over HTTP, and the client that is one
scores/    probabilities of a large file by shards
open       a folder to the scorer of whoever asks
"""
