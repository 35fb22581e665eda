"""Writers of constraints, behind one interface (`write`): the catalog (`catalog`), or a model by the paper's prompt (`llm`).

What a model writes goes from its `reply` to constraints (`match`: `canonical` texts, `candidates` for arguments), and those
that can stand together are kept (`select`).
"""
