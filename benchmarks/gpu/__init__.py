"""The logic of benchmarks/gpu.sh.

__main__      one call: its options, the parts in order, its exit code
parts         what each part runs, and what it takes from the answers
units         one command, run within the time that is left; what of it is known afterwards
environment   what is missing here, put in from a folder of wheels; the machine
steps         what the metrics of a trained policy say of its steps
table         the table of all that was measured

Until the environment is whole, the standard library alone is imported, and of this project what needs no more.
"""
