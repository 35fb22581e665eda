"""What a recipe takes before anything is started: processes, batches, memory, disk, hours."""
