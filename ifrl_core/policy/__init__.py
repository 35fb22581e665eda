"""GRPO on trl through the curriculum, in a training process of its own.

curriculum   which prompts each step asks: four strategies, and the mix with general problems
live         the curriculum inside the trainer: asked at each step, told what the step showed, saved in checkpoints
train        the stage: gathers the prompts, starts the processes, gathers what they made
launch       the processes: how many, where, and the accelerate config that spreads the model over them
train_process  a process: trl's GRPOTrainer with our reward, checkpoints and resume
guards       what ends a run early; checkpoint_upload: checkpoints in an object store
"""
