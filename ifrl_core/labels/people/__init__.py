"""People judge pseudo-labels: which answers they see (draw), the blind sheet (sheet), what a filled one says (grade)."""
