-- The rows that count, of all plans, and their numbers. Run when something was planned.
-- Of a label on a task, the configuration planned last; of its place there (seed, density,
-- control), the experiment planned last, as after a strategy's source has changed.

CREATE TEMP TABLE planned_rows AS
WITH newest AS (
    SELECT
        suite, label, model, dataset, recipe, source_model, source_dataset, source_recipe,
        arg_max(config_id, journal_order) AS config_id
    FROM plans
    WHERE scored_on = 'test'
    GROUP BY ALL
),
places AS (
    SELECT p.*, unnest(densities) AS target_density FROM plans p
    SEMI JOIN newest n
        ON n.suite = p.suite AND n.label = p.label AND n.model = p.model
        AND n.dataset = p.dataset AND n.recipe = p.recipe
        AND n.source_model = p.source_model AND n.source_dataset = p.source_dataset
        AND n.source_recipe = p.source_recipe AND n.config_id = p.config_id
    WHERE p.scored_on = 'test'
),
spread AS (
    SELECT *, unnest(list_distinct(list_prepend('none', controls))) AS control FROM places
)
SELECT
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    target_density, any_value(strategy) AS strategy, label, control, seed,
    arg_max(experiment_id, journal_order) AS experiment_id,
    arg_max({'study': tuned_from, 'steps': tuning_steps}, journal_order) AS tuned,
    arg_max('test_' || metric, journal_order) AS metric,
    max(journal_order) AS planned
FROM spread
GROUP BY
    suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
    target_density, label, control, seed;

DELETE FROM tasks;
INSERT INTO tasks
SELECT row_number() OVER (), * FROM (
    SELECT suite, model, dataset, recipe, arg_max(metric, planned) AS metric
    FROM planned_rows GROUP BY suite, model, dataset, recipe ORDER BY ALL
);

DELETE FROM cells;
INSERT INTO cells
SELECT
    row_number() OVER (), * EXCLUDE (tuned),
    CASE WHEN control = 'none' THEN tuned.study END,
    CASE WHEN control = 'none' THEN tuned.steps END  -- a control carries no cost of a search
FROM (
    SELECT
        t.task, p.source_model, p.source_dataset, p.source_recipe, p.target_density,
        p.strategy, p.label, p.control, arg_max(p.tuned, p.planned) AS tuned
    FROM planned_rows p JOIN tasks t USING (suite, model, dataset, recipe)
    GROUP BY ALL
    ORDER BY ALL
);

DELETE FROM slots;
INSERT INTO slots
SELECT c.cell, c.task, p.suite, p.experiment_id, p.seed, p.target_density, p.control
FROM planned_rows p
JOIN tasks t USING (suite, model, dataset, recipe)
JOIN cells c
    ON c.task = t.task AND c.source_model = p.source_model
    AND c.source_dataset = p.source_dataset AND c.source_recipe = p.source_recipe
    AND c.target_density = p.target_density AND c.strategy = p.strategy AND c.label = p.label
    AND c.control = p.control
ORDER BY c.cell, p.seed;

DROP TABLE planned_rows;
