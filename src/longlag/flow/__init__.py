"""How error flows back through a cell, and how a state is stretched: plain functions over models, without Lightning."""
