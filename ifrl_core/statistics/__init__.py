"""What figures are worth (intervals), how good a probability or a ranking is (agreement), and choices by hash (by_hash)."""
