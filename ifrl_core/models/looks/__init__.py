"""Looks at a model folder before anything starts: what cannot work is refused by name, with the remedy.

documents  the JSON files of a folder, and what lies in their place after half a download
kind       what sort of model its config.json names: a decoder of text, a classifier, or something else
weights    whether its safetensors are all there, whole, and of the sizes that the config says
chat       its tokenizer and chat template: the first prompt as the model reads it
build      whether transformers can build, cut and save what is trained
folder     all of these, once a folder
"""
