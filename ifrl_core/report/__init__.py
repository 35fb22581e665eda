"""The HTML report of a run and the summary that scripts read."""
