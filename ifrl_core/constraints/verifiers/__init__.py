"""Rule verdicts for hard constraints, over one shared, memoised view of each response.

Import from the modules: `answer` (what a response says outside its reasoning), `view`, `verdict`, `check` (files).
"""
