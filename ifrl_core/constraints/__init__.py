"""Constraints: their records, the catalog of types, conflicts, sampling and ladders.

Import from the modules: `model` (records), `catalog` (types), `sampling`, `conflicts`, `ladder`.
"""
