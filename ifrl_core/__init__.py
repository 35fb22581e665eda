"""ifrl's algorithms: instructions to constraints, ladders, rollouts, labels, reward model, GRPO and evaluation.

Nothing in this package imports prefect: every stage can be called from a notebook, a test or a task with the same result.
"""
