"""Writers: who adds constraints to a seed. `write.write` is their one interface."""
