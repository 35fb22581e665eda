"""One scaffold for the policy and the reward model: a training runs in processes of its own, and can be killed at any moment.

job         the folder that a stage and its processes share: the job, metrics, checkpoints, a failure, what was made
run         the stage's side: start, show, keep checkpoints in the store, go on from the last one
launch      what is started: shape (how many processes, where), accelerate_config (how they share the model)
child       one command run to its end, with its output and metrics; orphans: it dies with whoever started it
entry       the process's side: an error of ours is written down for the stage to raise; device: what it computes on
guards      what ends a training early: SIGTERM, the stop file, a loss that is no number, a collapsed policy
checkpoints, checkpoint_upload    which of them is whole; those in an object store
weights     what was trained, whole, whatever the processes shared of it
clock, memory    what a step takes; log_rows: what is written down of it
"""
