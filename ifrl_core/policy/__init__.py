"""GRPO on trl through the curriculum, in a training process of its own.

curriculum   which prompts each step asks: four strategies, and the mix with general problems
live         the curriculum inside the trainer: asked at each step, told what the step showed, saved in checkpoints
train        the stage: gathers the prompts, starts the process, gathers what it made
train_process  the process: trl's GRPOTrainer with our reward, checkpoints and resume
"""
