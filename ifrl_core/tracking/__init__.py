"""Everything that talks to MLflow.

entries.py   what is told, one fact an entry
sink.py      telling MLflow: what each entry comes to there
versions.py  a model folder as a version of a registered model
journal.py   what MLflow is owed, kept beside the run's record
tracker.py   the one interface of runs and stages: an entry goes to MLflow, or into the journal while MLflow is away
sync.py      sending what is owed
"""
