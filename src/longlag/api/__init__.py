"""What ``import longlag`` offers to Python: settings and their objects, training, and reading runs back.

The modules of this package import torch, Lightning and Hydra inside of their functions, so the command line can use
them and still print a help text at once.
"""
