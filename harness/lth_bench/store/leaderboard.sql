-- The leaderboard: the query of the view `leaderboard`, of the macro `leaderboard_of` and of the
-- board. `schema.leaderboard_sql` fills in
--   {metric}  the metric's name, as an SQL expression
--   {rows}    the rows to sum up: of the macro `scored`, all or filtered. (A filter around the
--             whole reaches the sums too late: 0.7 s of a million tickets, where a suite takes .03)
--   {dense}   the dense runs, of the macro `dense_of`
--   {base}    what to compare with: task, seed, target_density, value
WITH base AS NOT MATERIALIZED ({base}),
dense AS NOT MATERIALIZED ({dense}),
chosen AS NOT MATERIALIZED ({rows}),
-- of `score`, each task's own metric
judged AS (
    SELECT *, higher_is_better(judged_by) AS higher, worst_value(judged_by) AS worst
    FROM (SELECT *, judged_by({metric}, metric) AS judged_by FROM tasks)
),
grouped AS (
    SELECT
        f.cell, any_value(f.task) AS task,
        count(f.value) AS n,
        avg(f.value) AS mean,
        stddev_samp(f.value) AS deviation,
        min(f.test_examples) AS test_examples,
        count(f.value - d.value) AS delta_n,
        avg(f.value - d.value) AS delta_dense,
        stddev_samp(f.value - d.value) AS delta_deviation,
        count(f.value - b.value) AS difference_n,
        avg(f.value - b.value) AS difference,
        stddev_samp(f.value - b.value) AS difference_deviation,
        avg(b.value) FILTER (f.value IS NOT NULL) AS base_mean,
        avg(f.early_stop_accuracy) AS early_stop_accuracy,
        avg(f.early_stop_score) AS early_stop_score,
        avg(f.early_stop_step) AS early_stop_step,
        avg(f.density) AS density,
        avg(f.effective_density) AS effective_density,
        avg(f.unit_density) AS unit_density,
        avg(f.steps) AS steps,
        avg(f.search_steps) AS search_steps,
        avg(f.flops_dense) AS flops_dense,
        avg(f.flops_masked_theoretical) AS flops_masked_theoretical,
        avg(f.search_flops_dense) AS search_flops_dense,
        avg(f.search_flops_masked_theoretical) AS search_flops_masked_theoretical,
        avg(f.seconds) AS seconds,
        avg(f.search_seconds) AS search_seconds,
        avg(f.total_flops_dense / nullif(d.flops_dense, 0)) AS flops_ratio,
        avg(f.total_flops_masked_theoretical / nullif(d.flops_dense, 0)) AS flops_masked_ratio,
        count(*) FILTER (is_collapsed(f.empty_layers, f.effective_density)) AS collapsed
    FROM chosen f
    LEFT JOIN dense d ON d.task = f.task AND d.seed = f.seed
    LEFT JOIN base b
        ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
    WHERE f.status = 'ok'
    GROUP BY f.cell
),
summed AS (
    SELECT
        g.*,
        half_step(j.judged_by, g.test_examples) + half_step_of_chance(j.judged_by, g.n) AS step
    FROM grouped g JOIN judged j ON j.task = g.task
),
counted AS (
    SELECT
        cell, count(*) AS planned,
        count(*) FILTER (is_lost(status)) AS failed,
        count(*) FILTER (status = 'skipped') AS skipped
    FROM chosen
    GROUP BY cell
)
SELECT
    t.suite, t.model, t.dataset, t.recipe, c.source_model, c.source_dataset, c.source_recipe,
    c.target_density, c.strategy, c.label, c.control,
    coalesce(g.n, 0) AS n, g.mean,
    mean_end(t.judged_by, g.mean, half_width(q.t, greatest(g.deviation, g.step), g.n), g.n, -1)
        AS low,
    mean_end(t.judged_by, g.mean, half_width(q.t, greatest(g.deviation, g.step), g.n), g.n, 1)
        AS high,
    g.delta_dense,
    CASE WHEN c.control = 'none' AND g.mean IS NOT NULL THEN rank() OVER (
        PARTITION BY c.task, c.target_density, c.control = 'none'
        ORDER BY
            -- a seed that the method lost counts as the worst value; where there is none, the
            -- fewer lost the better, whatever the others' mean
            CASE WHEN t.worst IS NULL THEN k.failed / (g.n + k.failed) ELSE 0 END,
            twelve_digits(
                CASE WHEN t.higher THEN 1 ELSE -1 END
                * CASE WHEN t.worst IS NULL THEN g.mean
                    ELSE (g.mean * g.n + t.worst * k.failed) / (g.n + k.failed) END
            ) DESC NULLS LAST
    ) END AS rank,
    g.delta_dense - half_width(dq.t, greatest(g.delta_deviation, g.step), g.delta_n) AS delta_low,
    g.delta_dense + half_width(dq.t, greatest(g.delta_deviation, g.step), g.delta_n) AS delta_high,
    coalesce(g.delta_n, 0) AS delta_n,
    g.early_stop_step, g.early_stop_accuracy, g.density, g.effective_density, g.unit_density,
    g.steps, g.search_steps, g.flops_dense, g.flops_masked_theoretical,
    g.search_flops_dense, g.search_flops_masked_theoretical, g.flops_ratio,
    g.flops_masked_ratio, g.seconds, g.search_seconds,
    k.planned, k.failed, k.skipped,
    k.planned - coalesce(g.n, 0) - k.failed - k.skipped AS pending,
    c.tuned_from, c.tuning_steps, g.test_examples, coalesce(g.collapsed, 0) AS collapsed,
    t.judged_by AS metric, t.higher AS higher_is_better, g.early_stop_score,
    -- what follows is the board's: compared with the baseline, where the columns above have dense
    k.failed AS lost,
    g.difference,
    g.difference - half_width(bq.t, greatest(g.difference_deviation, g.step), g.difference_n)
        AS difference_low,
    g.difference + half_width(bq.t, greatest(g.difference_deviation, g.step), g.difference_n)
        AS difference_high,
    coalesce(g.difference_n, 0) AS difference_n, g.difference_deviation, g.base_mean, c.cell
FROM counted k
JOIN cells c ON c.cell = k.cell
JOIN judged t ON t.task = c.task
LEFT JOIN summed g ON g.cell = k.cell
LEFT JOIN t_quantiles q ON q.df = g.n - 1
LEFT JOIN t_quantiles dq ON dq.df = g.delta_n - 1
LEFT JOIN t_quantiles bq ON bq.df = g.difference_n - 1
