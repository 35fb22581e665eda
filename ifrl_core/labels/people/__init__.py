"""People judge pseudo-labels: a blind sheet to fill (sheet), and what a filled one says (grade)."""
