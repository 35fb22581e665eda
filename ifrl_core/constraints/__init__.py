"""Constraints: their types, the rules that verify the hard ones, and which can be asked together.

From the bottom up; a module imports only what comes before it in this list:

    verifiers/    what a rule sees of a response (`view`) and takes (`arguments`); `rule`; `answer`: a response's last part
    witness/      a text made of demands; knows no type
    types         a constraint type; `vocabulary`: words that sampled constraints name
    catalog/      every type: `hard` (each module beside its `_rules`), `soft`; `registry`: CATALOG, by id
    extension     types of a user's own package
    verdict       is a constraint satisfied by a response, strictly and loosely; `check`: the same for a file
    satisfy       a witness of a whole set of constraints
    conflicts     which constraints exclude each other
    sampling      constraints drawn for a seed
    listing       the catalog as a table and as docs/constraints.md
"""
