"""How good a reward model's probabilities are on validation pairs.

figures       against rules and pseudo-labels, by type, kind and level
corrected     the AUC behind labels alone, held against rules where there are any
calibration   Platt scaling by the rules, judged on instructions that it was not fitted on
baselines     what the model has to beat on the same pairs; zero_shot: one of them, the untrained backbone asked
plot          their curves as a picture
"""
