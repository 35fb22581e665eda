"""Seeds: the instructions that the user gives, each on its side, train or held-out, before anything else happens.

files     the files they come in          read     each text once, or why a record is rejected
split     the side of a seed, by hash     stage    the stage `seeds`
fresh     the seeds of a retraining: those that none has used before (the stage `retrain-seeds`)
ledger    which seeds retrainings have used
"""
