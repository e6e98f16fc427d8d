"""Cohorts: trainings computed together, where their tensors lie, and how many there are."""
