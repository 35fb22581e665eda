"""Writer `instructor`: a twin of the policy learns to write constraints, in turns with the policy (SEIF, arXiv 2605.07465).

stage   the stage `instructor`: GRPO on written constraints (rewards/writing.py), by the trainer of the policy
write   the stage `instructor-instructions`: what the trained twin writes for each train seed
"""
