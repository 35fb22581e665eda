"""Looks at a held-out set: every decision on it is one, and what they may get wrong in all is shared out among them.

Of many retrainings that are measured on the same instructions, some look better by luck. So look k may be wrong with
probability 5 % / (k (k + 1)): 2.5 % at the first (the usual 95% interval), 0.83 %, 0.42 %, ... All looks together, however
many there will be, promote a challenger that is no better with at most 5 %. Held-out seeds of which no decision has seen one
begin again at look 1.

Source: alpha spending, Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials (Biometrika 70, 1983); the sum of
1 / (k (k + 1)) is 1.
"""

IN_ALL = 0.05


def error_of_look(look: int) -> float:
    """What look `look`, counted from 1, may get wrong on its one side."""
    return IN_ALL / (look * (look + 1))
