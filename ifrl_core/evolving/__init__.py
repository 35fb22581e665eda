"""Instructions that get harder by themselves (writer `evolving`): training goes where rollouts sometimes pass.

The rollouts of every round are the answers of its model to the catalog's instructions, which draw all types alike. What they
show decides which instructions the policy of the round is trained on; held-out ones, labels and the reward model stay as they
are.

seen    pass rates of hard constraints in rollouts: by type, by arguments, beside another type, by their number
taste   from pass rates to what is rather drawn: p(1 - p) inside a band, little outside of it
stage   the stages `evolved-instructions` and `evolved-prompts`
"""
