"""Tuning: Optuna looks for each strategy's best parameters, within the same budget for all.

A trial is one setting of a strategy on a task. Its experiments are planned, trained, journalled
and shared as all others are, but scored on the validation split alone.
"""
