"""Before any training: which prompts the policy could learn from, and what a recipe had better change.

groups   rollouts of a prompt, judged by rules: dead, easy or alive; shares by level and by type
stage    the base model answers a sample of train prompts as the first step of GRPO will
advice   what the shares suggest, as overrides of the recipe
measure  the stages that a profile takes, and what it costs
"""
