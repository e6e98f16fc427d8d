"""The training step: cohorts, the layouts that compute them, and the choice of cohort size."""
