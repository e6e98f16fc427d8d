"""Which of a method's ingredients matter, from its controls and ablations."""
