-- The views: the stable interface of results.duckdb. Columns are only ever added, at the end.
-- Every view and every column has a comment, which a test demands.
--
-- Every view has an order that its rows alone decide, whatever was recorded when and however many
-- threads read: by task, sparser rows later, tickets before their controls. Views are made from the
-- table `flat` rather than from each other where that would sort a whole table in between.

CREATE VIEW experiments AS
SELECT
    p.experiment_id, p.config_id, p.suite, p.strategy, p.label, p.params,
    p.model, p.dataset, p.recipe, p.source_model, p.source_dataset, p.source_recipe, p.seed,
    p.densities, p.controls, p.iterative, p.plugin_version, p.source_hash, p.config,
    coalesce(o.status, 'planned') AS status, o.reason, o.seconds, o.worker,
    s.experiment_id IS NOT NULL AS current,
    p.run_id, p.recorded_at, p.scored_on, p.tuned_from, p.tuned_trial, p.tuning_steps,
    o.fingerprint, o.torch, o.engine, o.device, p.parameters, p.prunable,
    'test_' || p.metric AS metric, p.higher_is_better, p.start, p.not_prunable
FROM plans p
LEFT JOIN outcomes o ON o.experiment_id = p.experiment_id
LEFT JOIN (SELECT DISTINCT suite, experiment_id FROM slots) s
    ON s.suite = p.suite AND s.experiment_id = p.experiment_id
ORDER BY
    p.suite, p.model, p.dataset, p.recipe, p.label, p.seed, current DESC, p.recorded_at,
    p.experiment_id;

CREATE VIEW tickets_flat AS
SELECT * EXCLUDE (cell, task) FROM flat
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe, label,
    control <> 'none', control, seed, target_density DESC, experiment_id;

-- The dense run of each task and seed. Where several labels use `dense`, one of them has it at all
-- seeds, also at those that it lost: that of the name `dense`, or else the first in the alphabet,
-- which a label's ablations follow. The others are networks like any label's.
CREATE VIEW dense_runs AS
SELECT
    suite, model, dataset, recipe, seed,
    any_value(experiment_id) AS experiment_id,
    any_value(test_accuracy) AS test_accuracy,
    any_value(early_stop_step) AS early_stop_step,
    any_value(early_stop_accuracy) AS early_stop_accuracy,
    any_value(steps) AS steps,
    any_value(flops_dense) AS flops_dense,
    any_value(seconds) AS seconds,
    task,
    any_value(score) AS score,
    any_value(metric) AS metric,
    any_value(higher_is_better) AS higher_is_better,
    any_value(early_stop_score) AS early_stop_score
FROM (
    SELECT *, arg_min(label, (label <> 'dense', label)) OVER (PARTITION BY task) AS reference
    FROM flat
    WHERE strategy = 'dense' AND control = 'none'
)
WHERE label = reference AND status = 'ok'
GROUP BY task, suite, model, dataset, recipe, seed
ORDER BY suite, model, dataset, recipe, seed, task;

-- For any metric: `FROM leaderboard_of('test_loss')`.
CREATE MACRO leaderboard_of(metric_name) AS TABLE
SELECT * EXCLUDE (
    lost, difference, difference_low, difference_high, difference_n, difference_deviation,
    base_mean, cell
)
FROM board_of(metric_name)
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    target_density DESC, control <> 'none', control, rank NULLS LAST, label, cell;

CREATE VIEW leaderboard AS FROM leaderboard_of('score');

-- A control is compared with its own ticket too, which is what a control is for.
CREATE VIEW paired AS
WITH ok AS (SELECT * FROM flat WHERE status = 'ok'),
pairs AS (
    SELECT
        f, 'dense' AS versus, d.test_accuracy, d.early_stop_step, d.score, d.early_stop_score
    FROM ok f
    JOIN dense_runs d ON d.task = f.task AND d.seed = f.seed AND d.metric = f.metric
    WHERE f.experiment_id <> d.experiment_id
    UNION ALL
    SELECT f, 'ticket', o.test_accuracy, o.early_stop_step, o.score, o.early_stop_score
    FROM ok f
    JOIN ok o
        ON o.suite = f.suite AND o.experiment_id = f.experiment_id
        AND o.target_density = f.target_density AND o.control = 'none'
    WHERE f.control <> 'none'
    UNION ALL
    SELECT f, 'baseline', b.test_accuracy, b.early_stop_step, b.score, b.early_stop_score
    FROM ok f
    JOIN suites s ON s.suite = f.suite
    JOIN ok b
        ON b.task = f.task AND b.seed = f.seed
        -- a network that is not pruned is compared with at every density
        AND (b.target_density = f.target_density OR b.target_density = 1)
        AND b.label = s.baseline AND b.control = 'none' AND b.metric = f.metric
    WHERE f.label <> b.label AND b.experiment_id NOT IN (SELECT experiment_id FROM dense_runs)
)
SELECT
    f.suite, f.model, f.dataset, f.recipe, f.source_model, f.source_dataset, f.source_recipe,
    f.target_density, f.strategy, f.label, f.control, f.seed, versus,
    f.test_accuracy, test_accuracy AS versus_accuracy,
    f.score - score AS difference,
    f.early_stop_score - early_stop_score AS early_stop_difference,
    f.early_stop_step / nullif(early_stop_step, 0) AS early_stop_step_ratio,
    f.experiment_id,
    f.score, score AS versus_score, f.metric, f.higher_is_better
FROM pairs
ORDER BY
    f.suite, f.model, f.dataset, f.recipe, f.source_model, f.source_dataset, f.source_recipe,
    f.target_density DESC, f.control <> 'none', f.control, f.label, versus, f.seed,
    f.experiment_id;

CREATE VIEW cost AS
SELECT *
FROM (
    SELECT
        suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
        target_density, strategy, label, control,
        count(*) AS n,
        avg(steps) AS steps, avg(search_steps) AS search_steps,
        avg(total_steps) AS total_steps, avg(total_examples) AS total_examples,
        avg(total_flops_dense) AS total_flops_dense,
        avg(total_flops_masked_theoretical) AS total_flops_masked_theoretical,
        avg(total_bit_operations) AS total_bit_operations,
        avg(total_seconds) AS total_seconds,
        avg(spent_steps) AS spent_steps, avg(spent_seconds) AS spent_seconds
    FROM scored('score')
    WHERE status = 'ok'
    GROUP BY ALL
)
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    target_density DESC, control <> 'none', control, label, strategy;

-- Asked for: each strategy's own chain, whatever others had trained of it. Run: what was trained.
CREATE VIEW sharing AS
WITH used AS (
    SELECT
        s.suite, s.label, s.model, s.dataset, s.recipe, s.seed, t.key, t.steps,
        bool_or(NOT k.reused) AS trained
    FROM (SELECT DISTINCT suite, experiment_id FROM slots) c
    JOIN plans s ON s.suite = c.suite AND s.experiment_id = c.experiment_id
    JOIN tickets i ON i.experiment_id = s.experiment_id
    JOIN ticket_trainings k ON k.ticket_id = i.ticket_id
    JOIN trainings t ON t.key = k.key
    GROUP BY ALL
),
asked AS (
    SELECT suite, count(*) AS trainings_asked, sum(steps)::BIGINT AS steps_asked
    FROM used GROUP BY suite
),
run AS (
    SELECT suite, count(*) AS trainings_run, sum(steps)::BIGINT AS steps_run
    FROM (SELECT DISTINCT suite, key, steps FROM used WHERE trained) GROUP BY suite
)
SELECT
    suite, trainings_asked, coalesce(trainings_run, 0) AS trainings_run, steps_asked,
    coalesce(steps_run, 0) AS steps_run,
    coalesce(steps_run, 0) / nullif(steps_asked, 0) AS steps_share
FROM asked LEFT JOIN run USING (suite)
ORDER BY suite;

-- What a run found finished counts for the run that trained it.
CREATE VIEW devices AS
SELECT
    t.run_id, any_value(e.suite) AS suite, any_value(e.host) AS host, t.device AS worker,
    any_value(coalesce(t.device_name, t.device)) AS device,
    count(*) AS trainings_run, sum(t.steps)::BIGINT AS steps_run,
    sum(t.seconds) AS seconds_run,
    sum(t.steps) / nullif(sum(t.seconds), 0) AS model_steps_per_second,
    max(t.peak_memory) AS peak_memory, max(t.cohort_size) AS cohort_size
FROM trainings t
LEFT JOIN environments e ON e.run_id = t.run_id
WHERE t.run_id IS NOT NULL
GROUP BY t.run_id, t.device
ORDER BY suite, t.run_id, t.device;

CREATE VIEW workers AS
SELECT
    run_id, suite, slot, worker, host, device AS worker_device, state AS worker_state,
    processes, units AS work_units, experiments AS experiments_ended, retries,
    steps AS steps_run, examples AS examples_run, training_seconds AS seconds_run,
    steps / nullif(training_seconds, 0) AS model_steps_per_second,
    examples / nullif(training_seconds, 0) AS examples_per_second,
    starting_seconds, busy_seconds, queued_seconds, idle_seconds,
    busy_seconds / nullif(starting_seconds + busy_seconds + queued_seconds + idle_seconds, 0)
        AS busy_share,
    recorded_at
FROM worker_uses
ORDER BY suite, run_id, slot, host, worker_device;

CREATE VIEW failures AS
SELECT
    suite, model, dataset, recipe, label, seed, target_density, control, status, reason,
    strategy, experiment_id, ticket_id
FROM flat
WHERE status NOT IN ('ok', 'planned')
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe, label,
    control <> 'none', control, seed, target_density DESC, experiment_id;

CREATE VIEW matching AS
SELECT *
FROM (
    SELECT
        suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
        strategy, label, control,
        min(target_density) FILTER (whole AND gain >= -roundoff) AS matching_density,
        min(target_density) FILTER (whole AND coalesce(most, gain) >= -roundoff)
            AS compatible_density,
        min(delta_n) AS n,
        any_value(metric) AS metric, any_value(higher_is_better) AS higher_is_better
    FROM (
        SELECT
            *, failed = 0 AND skipped = 0 AS whole,
            -- how much better than dense, and how much at most
            CASE WHEN higher_is_better THEN delta_dense ELSE -delta_dense END AS gain,
            CASE WHEN higher_is_better THEN delta_high ELSE -delta_low END AS most,
            -- a mean of differences that cancel out may come out a little below 0
            1e-12 * greatest(1, abs(mean)) AS roundoff
        FROM leaderboard
    )
    WHERE strategy <> 'dense' AND target_density < 1 AND delta_n > 0
    GROUP BY ALL
)
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    control <> 'none', control, label, strategy;

-- A value that is not finite ranks with nothing. Of two objectives no single trial is the best.
CREATE VIEW tuning AS
WITH valued AS (
    SELECT
        *, CASE WHEN state = 'complete' AND len("values") = 1 AND isfinite("values"[1])
            THEN "values"[1] END AS value
    FROM trials
),
ranked AS (
    SELECT
        *, CASE WHEN directions[1] = 'minimize' THEN -value ELSE value END AS merit,
        -- of those that tie, as `store.trials.TIE` has it, the first is the best
        merit >= max(merit) OVER (PARTITION BY study_id) - 1e-9 AS tops
    FROM valued
)
SELECT
    study_id, any_value(study) AS study, any_value(suite) AS suite, any_value(model) AS model,
    any_value(dataset) AS dataset, any_value(recipe) AS recipe,
    any_value(strategy) AS strategy, any_value(label) AS label,
    any_value(objectives) AS objectives, any_value(directions) AS directions,
    count(*) AS trials,
    count(*) FILTER (state = 'complete') AS trials_complete,
    count(*) FILTER (state = 'pruned') AS trials_pruned,
    count(*) FILTER (state = 'failed') AS trials_failed,
    min(number) FILTER (tops) AS best_trial,
    arg_min(value, number) FILTER (tops) AS best_value,
    arg_min(params, number) FILTER (tops) AS best_params,
    arg_min(value, number) FILTER (origin = 'default') AS default_value,
    CAST(sum(tuning_steps) AS BIGINT) AS tuning_steps, sum(tuning_seconds) AS tuning_seconds,
    any_value(sampler) AS sampler, any_value(pruner) AS pruner,
    arg_max(budget, journal_order) AS budget, max(recorded_at) AS recorded_at
FROM ranked
GROUP BY study_id
ORDER BY suite, model, dataset, recipe, label, study_id;

-- Ratios are geometric means of the ratios seed by seed, as on the leaderboard by speed.
CREATE VIEW convergence AS
WITH ok AS (SELECT * FROM counted_rows() WHERE status = 'ok'),
grouped AS (
    SELECT
        f.cell,
        count(f.early_stop_step) AS n,
        avg(f.early_stop_step) AS early_stop_step,
        stddev_samp(f.early_stop_step) AS deviation,
        avg(f.early_stop_accuracy) AS early_stop_accuracy,
        avg(f.early_stop_score) FILTER (f.metric = k.metric) AS early_stop_score,
        avg(ln(nullif(f.early_stop_step, 0) / nullif(d.early_stop_step, 0))) AS dense,
        avg(ln(nullif(f.early_stop_step, 0) / nullif(o.early_stop_step, 0))) AS own
    FROM ok f
    JOIN tasks k ON k.task = f.task
    LEFT JOIN dense_runs d ON d.task = f.task AND d.seed = f.seed
    LEFT JOIN ok o
        ON f.control <> 'none' AND o.control = 'none' AND o.task = f.task
        AND o.experiment_id = f.experiment_id AND o.target_density = f.target_density
    GROUP BY f.cell
)
SELECT
    t.suite, t.model, t.dataset, t.recipe, c.source_model, c.source_dataset, c.source_recipe,
    c.target_density, c.strategy, c.label, c.control,
    g.n, g.early_stop_step,
    g.early_stop_step - half_width(q.t, g.deviation, g.n) AS low,
    g.early_stop_step + half_width(q.t, g.deviation, g.n) AS high,
    g.early_stop_accuracy,
    exp(g.dense) AS step_ratio_dense,
    exp(g.own) AS step_ratio_ticket,
    g.early_stop_score, t.metric, higher_is_better(t.metric) AS higher_is_better
FROM grouped g
JOIN cells c ON c.cell = g.cell
JOIN tasks t ON t.task = c.task
LEFT JOIN t_quantiles q ON q.df = g.n - 1
ORDER BY
    t.suite, t.model, t.dataset, t.recipe, c.source_model, c.source_dataset, c.source_recipe,
    c.target_density DESC, c.control <> 'none', c.control, c.label, c.strategy;

-- Nothing of the task is at least as good for less: no row as cheap is better, none cheaper is as
-- good, to twelve digits. A row that lost a seed neither is on a front nor keeps others off.
CREATE MACRO pareto_of(metric_name) AS TABLE
WITH points AS (
    SELECT
        *, twelve_digits(CASE WHEN higher_is_better THEN mean ELSE -mean END)
            AS goodness,
        twelve_digits(density) AS sparseness, twelve_digits(flops_masked_ratio) AS expense
    FROM board_of(metric_name) WHERE control = 'none' AND n > 0
)
SELECT
    *,
    failed = 0
    AND goodness >= max(goodness) FILTER (failed = 0)
        OVER (PARTITION BY suite, model, dataset, recipe, sparseness)
    AND goodness > coalesce(max(goodness) FILTER (failed = 0) OVER sparser, '-infinity'::DOUBLE)
        AS on_density_front,
    failed = 0 AND flops_masked_ratio IS NOT NULL
    AND goodness >= max(goodness) FILTER (failed = 0)
        OVER (PARTITION BY suite, model, dataset, recipe, expense)
    AND goodness > coalesce(max(goodness) FILTER (failed = 0) OVER cheaper, '-infinity'::DOUBLE)
        AS on_cost_front
FROM points
WINDOW
    sparser AS (
        PARTITION BY suite, model, dataset, recipe ORDER BY sparseness
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    cheaper AS (
        PARTITION BY suite, model, dataset, recipe ORDER BY expense
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    );

CREATE VIEW pareto AS
SELECT
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    strategy, label, target_density, density,
    mean, n, flops_ratio, flops_masked_ratio, on_density_front, on_cost_front,
    metric, higher_is_better
FROM pareto_of('score')
ORDER BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    label, target_density DESC, strategy;
