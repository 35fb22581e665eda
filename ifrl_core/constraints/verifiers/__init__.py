"""What a rule is made of: one shared, memoised view of a response, the schema of its arguments, and the rule itself.

Import from the modules: `view`, `arguments`, `rule`.
"""
