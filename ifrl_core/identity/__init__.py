"""What makes an artifact another one: fields of configs, and the code of functions."""
