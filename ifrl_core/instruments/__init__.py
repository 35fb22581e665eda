"""Instruments: measures of soft constraints that no training sees, for the types that have one.

They are crude (a lexicon, a count, the nearness of words) and independent of the reward model, so that a rise which only that
model sees can be told from one that is there. Audits may ask them; labels, the reward model, rewards and the policy may not
(tests/core/test_layers.py): a policy that is trained on a measure learns to please it.

instrument    what one is             table       all of them, and which measures a type
sentiment     VADER's lexicon         emotions    the NRC lexicon             readability   Flesch
formality     words and contractions  grammar     person, hedges, similes, senses and other words that a type calls for
lexicons      the words that they count
topics        the sentence embedding: is an answer nearer its own slot's words than other ones?
"""
