"""Problems with a known answer (math, science, the user's own), mixed into training so that general ability stays.

problems      the stage: reads, checks and splits them
verify        whether a response gives the right answer
math_process  the process that compares mathematics, so that a hard case can be ended after its time
reward        rewards of their responses, in {0, 1}
"""
