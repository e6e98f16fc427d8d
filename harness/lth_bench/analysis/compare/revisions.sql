-- Every row ever planned for one label (the parameter), of older configurations and sources too,
-- with the columns of the table `flat`. `fold`'s flat.sql does the same for current experiments.
(
    WITH places AS (
        SELECT *, unnest(densities) AS target_density FROM plans
        WHERE label = ? AND scored_on = 'test'
    ),
    spread AS (
        SELECT *, unnest(list_distinct(list_prepend('none', controls))) AS control FROM places
    )
    SELECT
        NULL::INTEGER AS cell, k.task, 'test_' || p.metric AS metric, p.higher_is_better, p.suite, p.strategy, p.label, p.control,
        p.model, p.dataset, p.recipe, p.source_model, p.source_dataset, p.source_recipe, p.seed,
        p.target_density, p.experiment_id, p.config_id, p.source_hash, p.plugin_version,
        coalesce(t.run_id, o.run_id, p.run_id) AS run_id, e.environment ->> 'git' AS git,
        coalesce(t.recorded_at, o.recorded_at, p.recorded_at) AS recorded_at,
        coalesce(
            t.status, own.status, CASE WHEN o.status = 'ok' THEN 'planned' ELSE o.status END,
            'planned'
        ) AS status,
        CASE WHEN p.metric = 'accuracy' THEN t.early_stop_accuracy ELSE early.value END
            AS early_stop_score,
        p.journal_order AS planned_order,
        t.* EXCLUDE (
            experiment_id, run_id, control, target_density, status, recorded_at, journal_order
        )
    FROM spread p
    LEFT JOIN (SELECT * FROM tickets WHERE reported) t
        ON t.experiment_id = p.experiment_id AND t.target_density = p.target_density
        AND t.control = p.control
    LEFT JOIN tasks k
        ON k.suite = p.suite AND k.model = p.model AND k.dataset = p.dataset
        AND k.recipe = p.recipe
    LEFT JOIN metrics early
        ON p.metric <> 'accuracy' AND early.ticket_id = t.ticket_id
        AND early.metric = 'early_stop_' || p.metric
    LEFT JOIN (SELECT * FROM tickets WHERE reported AND control = 'none' AND status <> 'ok') own
        ON own.experiment_id = p.experiment_id AND own.target_density = p.target_density
    LEFT JOIN outcomes o ON o.experiment_id = p.experiment_id
    LEFT JOIN environments e ON e.run_id = coalesce(t.run_id, o.run_id, p.run_id)
)
