"""GRPO on trl through the curriculum, in a training process of its own.

curriculum   which prompts each step asks, as one dataset in order
train        the stage: lays out the data, starts the process, gathers what it made
train_process  the process: trl's GRPOTrainer with our reward, checkpoints and resume
"""
