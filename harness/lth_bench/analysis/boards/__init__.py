"""The kinds of leaderboard, a file each: accuracy, matching, area, cost, speed; and across tasks.

A board sums up in SQL what the seeds of a label gave, compares it with the baseline seed by seed,
and has the rows for programs beside the tables for people. Failures count alike in all of them:

- `failed` and `diverged`: the method lost that seed. It is neither better nor equivalent there;
  in ranks, areas and costs the seed is the worst there is (accuracy 0, infinite cost), and the
  density does not match.
- `skipped`: the method cannot reach that density. It does not match, and has accuracy 0 in areas
  and across tasks.
- everything else without a result (out of memory or time, interrupted, planned): owed by the
  machine. The seed is left out, and the others' number is said.
"""
