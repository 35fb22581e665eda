"""GRPO on trl through the curriculum, in a training process of its own.

curriculum   which prompts each step asks, as one dataset in order
train        the stage: lays out the data, starts the process, gathers what it made
launch       the processes: how many, where, and the accelerate config that spreads the model over them
train_process  a process: trl's GRPOTrainer with our reward, checkpoints and resume
"""
