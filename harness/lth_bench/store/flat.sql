-- The table `flat`, for the slots in `stale`: all of them, or those of the experiments in a batch.
--
-- An experiment that ended well without a ticket at a density (because the density or the
-- control was added to the suite since) has that row still ahead of it. A control of a ticket
-- that did not come about shares its fate. A ticket from other data than its experiment is said to
-- be done on counts no more: it waits to be replaced.

DELETE FROM flat WHERE experiment_id IN (SELECT experiment_id FROM stale);

INSERT INTO flat BY NAME
SELECT
    s.cell, s.task, s.experiment_id, s.suite, c.strategy, c.label, p.params, s.control,
    p.model, p.dataset, p.recipe, c.source_model, c.source_dataset, c.source_recipe, s.seed,
    s.target_density, t.density, t.effective_density, t.unit_density,
    t.test_accuracy, t.test_loss, t.val_accuracy, t.train_accuracy,
    t.early_stop_step, t.early_stop_accuracy,
    t.steps, t.flops_dense, t.flops_masked_theoretical, t.seconds, t.search_seconds,
    coalesce(
        t.status, own.status, CASE WHEN o.status = 'ok' THEN 'planned' ELSE o.status END, 'planned'
    ) AS status,
    CASE
        WHEN t.ticket_id IS NOT NULL THEN t.reason
        WHEN own.ticket_id IS NOT NULL THEN own.reason
        ELSE o.reason
    END AS reason,
    t.ticket_id, t.round, t.rewind_step, t.examples,
    t.search_steps, t.search_examples, t.search_flops_dense, t.search_flops_masked_theoretical,
    t.spent_steps, t.spent_seconds, p.config_id, t.run_id, t.recorded_at, t.test_examples,
    t.empty_layers, t.score, 'test_' || p.metric AS metric, p.higher_is_better,
    CASE WHEN p.metric = 'accuracy' THEN t.early_stop_accuracy ELSE early.value END
        AS early_stop_score,
    t.bit_operations, t.search_bit_operations
FROM stale s
JOIN cells c ON c.cell = s.cell
JOIN plans p ON p.suite = s.suite AND p.experiment_id = s.experiment_id
LEFT JOIN outcomes o ON o.experiment_id = s.experiment_id
LEFT JOIN (SELECT * FROM tickets WHERE reported) t
    ON t.experiment_id = s.experiment_id AND t.target_density = s.target_density
    AND t.control = s.control
    AND coalesce(t.fingerprint = o.fingerprint, true)
LEFT JOIN metrics early
    ON p.metric <> 'accuracy' AND early.ticket_id = t.ticket_id
    AND early.metric = 'early_stop_' || p.metric
LEFT JOIN (SELECT * FROM tickets WHERE reported AND control = 'none' AND status <> 'ok') own
    ON own.experiment_id = s.experiment_id AND own.target_density = s.target_density
    AND coalesce(own.fingerprint = o.fingerprint, true);
