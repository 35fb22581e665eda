"""GRPO on trl through the curriculum, in a training process of its own.

curriculum/     which prompts each step asks: four strategies, and the mix with general problems
live            the curriculum inside the trainer: asked at each step, told what the step showed, saved in checkpoints
stage, job      the stage: gathers the prompts, has them trained on (training/), gathers what was made
launch          how the training is started, and whether this machine can
process         a process: trl's GRPOTrainer with our reward, checkpoints and resume
trainer         the same gradient for less work: prompts once a group (shared_prefix; sharing: where it holds), no pass
                without something to learn (passes)
grpo_arguments, weights, generation, adapter    what the trainer is given: its configuration, the model, the rollouts
reward_function, scoring   how a rollout is rewarded
step_report, tables    metrics of a step; the tables and figures of the artifact
curve, benchmark_sets    what is measured while it trains: instructions of the run, benchmarks without a judge
measuring, greedy        the callback that measures and keeps the best step; how it is answered
"""
