"""What figures are worth (intervals) and how good a probability or a ranking is (agreement)."""
