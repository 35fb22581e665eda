"""Training of the reward model: the stage reads labels and measures the result, a process of its own trains."""
