"""Witnesses: a text that meets the demands of a set of hard constraints, all at once. It proves that the set can be met.

Every hard type of the catalog has a function that writes its demand into a `Draft`; `compose` makes a text of the draft. A
file a phase:

    draft            what is demanded of the text                  contradiction   why no text can meet it, if that is plain
    plan             how many blocks and sentences, and where      bank, filler    plain sentences, and those a draft allows
    sentences        the running text, demanded phrases woven in   layout          marks, blocks, both ends, case and format
    compose          the phases one after the other, tried with other fillers and counts until a text passes

For "use the words chess and school", "at least three sentences", "no commas" and "a title in <<angular brackets>>":

>>> from ifrl_core.constraints.witness.compose import compose
>>> from ifrl_core.constraints.witness.draft import Draft, Item
>>> draft = Draft()
>>> draft.phrases += ["chess", "school"]
>>> draft.min_sentences = 3
>>> draft.banned_characters.add(",")
>>> draft.items.append(Item("<<", None, ">>", marked=False))
>>> print(compose(draft, lambda text: "," not in text))
Chess and school.
<<We walk home>>
Fires keep the house warm. Islands are far away.

The package knows neither the catalog nor the verifiers: `constraints/satisfy.py` asks the types for their demands, and the
verifiers whether the text passes.
"""
