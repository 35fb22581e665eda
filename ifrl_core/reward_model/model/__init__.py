"""A trained reward model in use.

scorer     the protocol that everyone asks          score      the model in this process
template   a pair as tokens                          packing    pairs of one response in one row
settings   what lies beside the weights              files      probabilities for a file of rows
"""
