"""Figures as data: builders make them of numbers, one layout places them, two small renderers draw them."""
