-- One batch of journal records, `staged` in order, into the tables; run in one transaction.
-- Of records with one key the last counts, so what a key had before is deleted first. A record
-- without its key belongs to nothing and is passed over.

-- Runs.
CREATE TEMP TABLE batch_runs AS
SELECT * FROM staged WHERE record = 'run' AND run_id IS NOT NULL AND suite IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY journal_order DESC) = 1;

DELETE FROM environments WHERE run_id IN (SELECT run_id FROM batch_runs);
INSERT INTO environments
SELECT
    run_id, suite, suite_version, suite_toml, command,
    environment ->> 'device', environment ->> 'host', environment ->> 'python',
    environment ->> 'torch', environment, coalesce(overrides, []), recorded_at, journal_order,
    decide.max_seeds, decide.margin
FROM batch_runs;

DELETE FROM plugins WHERE run_id IN (SELECT run_id FROM batch_runs);
INSERT INTO plugins
SELECT run_id, p.name, p."group", p.origin, p.version, p.source_hash
FROM (SELECT run_id, unnest(plugins) AS p FROM batch_runs);

DELETE FROM suites WHERE suite IN (SELECT suite FROM batch_runs);
INSERT INTO suites
SELECT
    suite, suite_version, suite_toml, coalesce(baseline, 'dense'), run_id, recorded_at,
    journal_order, decide.max_seeds, decide.margin
FROM batch_runs
QUALIFY row_number() OVER (PARTITION BY suite ORDER BY journal_order DESC) = 1;

-- Plans.
CREATE TEMP TABLE batch_plans AS
SELECT
    e.experiment_id, e.config_id, e.suite, e.strategy, e.label, e.params,
    e.model, e.dataset, e.recipe,
    coalesce(e.source_model, e.model) AS source_model,
    coalesce(e.source_dataset, e.dataset) AS source_dataset,
    coalesce(e.source_recipe, e.recipe) AS source_recipe,
    e.seed, e.densities, coalesce(e.controls, []) AS controls, e.iterative,
    e.plugin_version, e.source_hash, e.config, coalesce(e.scored_on, 'test') AS scored_on,
    e.tuned_from.study AS tuned_from, e.tuned_from.trial AS tuned_trial,
    e.tuned_from.steps AS tuning_steps, e.parameters, e.prunable, e.not_prunable,
    coalesce(e.metric, 'accuracy') AS metric, coalesce(e.metric_unit, 'fraction') AS metric_unit,
    coalesce(e.higher_is_better, true) AS higher_is_better, e.start,
    run_id, recorded_at, journal_order
FROM (
    SELECT unnest(experiments) AS e, run_id, recorded_at, journal_order
    FROM staged WHERE record = 'planned'
)
WHERE
    e.experiment_id IS NOT NULL AND e.suite IS NOT NULL AND e.strategy IS NOT NULL
    AND e.label IS NOT NULL AND e.model IS NOT NULL AND e.dataset IS NOT NULL
    AND e.recipe IS NOT NULL AND e.seed IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY e.suite, e.experiment_id ORDER BY journal_order DESC
) = 1;

DELETE FROM plans p USING batch_plans b
WHERE p.suite = b.suite AND p.experiment_id = b.experiment_id;
INSERT INTO plans BY NAME SELECT * FROM batch_plans;

CREATE TEMP TABLE batch_measures AS
SELECT split || '_' || metric AS metric, any_value(metric_unit) AS unit,
    any_value(higher_is_better) AS higher_is_better
FROM batch_plans, (SELECT unnest(['test', 'val', 'train', 'early_stop']) AS split)
WHERE metric <> 'accuracy'
GROUP BY ALL;
DELETE FROM measures WHERE metric IN (SELECT metric FROM batch_measures);
INSERT INTO measures BY NAME SELECT * FROM batch_measures;
DROP TABLE batch_measures;

-- Outcomes.
CREATE TEMP TABLE batch_outcomes AS
SELECT
    experiment_id, status, reason, seconds, worker,
    coalesce(cohort_size, width) AS cohort_size,  -- older journals say width
    fingerprint, replaces,
    numerics.torch AS torch, numerics.engine AS engine, numerics.device AS device,
    run_id, recorded_at, journal_order
FROM staged
WHERE record = 'experiment' AND experiment_id IS NOT NULL AND status IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY experiment_id ORDER BY journal_order DESC) = 1;

DELETE FROM outcomes WHERE experiment_id IN (SELECT experiment_id FROM batch_outcomes);
INSERT INTO outcomes BY NAME SELECT * FROM batch_outcomes;

-- Tickets. A reported one also replaces what was reported in its place under another ticket_id.
CREATE TEMP TABLE batch_tickets AS
SELECT * FROM staged
WHERE
    record = 'ticket' AND ticket_id IS NOT NULL AND experiment_id IS NOT NULL
    AND status IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY ticket_id ORDER BY journal_order DESC) = 1;

DELETE FROM batch_tickets WHERE ticket_id IN (
    SELECT ticket_id FROM batch_tickets WHERE reported
    QUALIFY row_number() OVER (
        PARTITION BY experiment_id, target_density, control ORDER BY journal_order DESC
    ) > 1
);

CREATE TEMP TABLE replaced AS
SELECT t.ticket_id FROM tickets t SEMI JOIN batch_tickets b ON b.ticket_id = t.ticket_id
UNION
SELECT t.ticket_id
FROM (SELECT * FROM tickets WHERE reported) t
SEMI JOIN (SELECT * FROM batch_tickets WHERE reported) b
    ON b.experiment_id = t.experiment_id AND b.target_density = t.target_density
    AND b.control = t.control;

DELETE FROM tickets WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM metrics WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM answers WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM layers WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM units WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM curves WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM weights WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM fates WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM matrices WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM outlines WHERE ticket_id IN (SELECT ticket_id FROM replaced);
DELETE FROM ticket_trainings WHERE ticket_id IN (SELECT ticket_id FROM replaced);

INSERT INTO tickets
SELECT
    ticket_id, experiment_id, run_id, round, coalesce(control, 'none'), reported,
    target_density, density, effective_density, unit_density, rewind_step, status, reason,
    metrics['test_accuracy'], metrics['test_loss'], metrics['val_accuracy'],
    metrics['train_accuracy'], TRY_CAST(metrics['early_stop_step'] AS BIGINT),
    metrics['early_stop_accuracy'],
    cost.steps, cost.examples, cost.flops_dense, cost.flops_masked_theoretical, cost.seconds,
    cost.search_steps, cost.search_examples, cost.search_flops_dense,
    cost.search_flops_masked_theoretical, cost.search_seconds,
    cost.spent_steps, cost.spent_seconds, recorded_at, journal_order, fingerprint, test_examples,
    CASE WHEN len(layers) > 0 THEN
        len([x FOR x IN layers IF x.kept = 0 AND x.total > 0 AND NOT coalesce(x.frozen, false)])
    END,
    coalesce(score, metrics['test_accuracy']), cost.bit_operations, cost.search_bit_operations
FROM batch_tickets;

INSERT INTO metrics
SELECT ticket_id, m.key, m.value
FROM (SELECT ticket_id, unnest(map_entries(metrics)) AS m FROM batch_tickets);

-- a stranger's text that is no base64 is passed over
INSERT INTO answers
SELECT ticket_id, metric, bits
FROM (
    SELECT ticket_id, r.key AS metric, TRY(from_base64(r.value)) AS bits
    FROM (SELECT ticket_id, unnest(map_entries("right")) AS r FROM batch_tickets)
)
WHERE bits IS NOT NULL;

INSERT INTO layers
SELECT ticket_id, position - 1, x.layer, x.kind, x.total, x.kept, coalesce(x.frozen, false)
FROM (
    SELECT ticket_id, unnest(layers) AS x, generate_subscripts(layers, 1) AS position
    FROM batch_tickets
);

INSERT INTO units
SELECT ticket_id, u.layer, u.side, u.shape, u.kept
FROM (SELECT ticket_id, unnest(units) AS u FROM batch_tickets);

INSERT INTO curves
SELECT ticket_id, TRY_CAST(c[1] AS BIGINT), c[2], c[3], c[4],
    coalesce(c[5], c[4])  -- what is judged by accuracy has no fifth
FROM (SELECT ticket_id, unnest(curve) AS c FROM batch_tickets);

INSERT INTO weights
SELECT ticket_id, w.layer, w.moment, w.reach, w.counts
FROM (SELECT ticket_id, unnest(weights) AS w FROM batch_tickets);

INSERT INTO fates
SELECT
    ticket_id, f.layer, f.fate, f.weights, f.same_sign, f.grew, f.moved, f.initial, f.reach,
    f.cells, f.counts
FROM (SELECT ticket_id, unnest(fates) AS f FROM batch_tickets);

INSERT INTO matrices
SELECT ticket_id, m.name, m.steps, flatten(m."values")
FROM (SELECT ticket_id, unnest(matrices) AS m FROM batch_tickets);

INSERT INTO outlines
SELECT ticket_id, o.name, o.x, o.y
FROM (SELECT ticket_id, unnest(outlines) AS o FROM batch_tickets);

-- Trainings. Where a key comes more than once, the record of its execution is worth most.
CREATE TEMP TABLE batch_trainings AS
SELECT ticket_id, journal_order, run_id, u.*
FROM (SELECT ticket_id, journal_order, run_id, unnest(trainings) AS u FROM batch_tickets);

INSERT INTO ticket_trainings SELECT ticket_id, key, role, reused FROM batch_trainings;

-- The last execution counts, since --exact-cohort-size does a training again; where there is none, as
-- in results whose trainings came from elsewhere, what was said of it first.
DELETE FROM trainings WHERE key IN (SELECT key FROM batch_trainings WHERE NOT reused);

INSERT INTO trainings
SELECT
    key, start, "end", steps, flops_dense, flops_masked_theoretical, seconds, device,
    coalesce(cohort_size, width),
    variant, device_name, peak_memory, CASE WHEN NOT reused THEN run_id END
FROM batch_trainings b
ANTI JOIN trainings t ON t.key = b.key
QUALIFY row_number() OVER (
    PARTITION BY b.key
    ORDER BY reused, CASE WHEN reused THEN journal_order ELSE -journal_order END, ticket_id
) = 1;

-- Looks.
CREATE TEMP TABLE batch_looks AS
SELECT
    suite, model, dataset, recipe,
    coalesce(look.source_model, model) AS source_model,
    coalesce(look.source_dataset, dataset) AS source_dataset,
    coalesce(look.source_recipe, recipe) AS source_recipe, label,
    target_density, look.n AS n, look.verdict AS verdict, look.stop AS stop,
    look.difference AS difference, look.deviation AS deviation, look.p AS p,
    look.p_equivalent AS p_equivalent, look.margin AS margin, look.max_seeds AS max_seeds,
    look.baseline AS baseline, look.metric AS metric, run_id, recorded_at, journal_order
FROM staged WHERE record = 'look' AND suite IS NOT NULL AND label IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
        label, target_density, n
    ORDER BY journal_order DESC
) = 1;

DELETE FROM looks l USING batch_looks b
WHERE l.suite = b.suite AND l.model = b.model AND l.dataset = b.dataset AND l.recipe = b.recipe
    AND l.source_model = b.source_model AND l.source_dataset = b.source_dataset
    AND l.source_recipe = b.source_recipe AND l.label = b.label
    AND l.target_density = b.target_density AND l.n = b.n;
INSERT INTO looks BY NAME SELECT * FROM batch_looks;
DROP TABLE batch_looks;

-- Trials.
CREATE TEMP TABLE batch_trials AS
SELECT * FROM staged WHERE record = 'trial' AND study_id IS NOT NULL AND number IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY study_id, number ORDER BY journal_order DESC) = 1;

DELETE FROM trials t USING batch_trials b
WHERE t.study_id = b.study_id AND t.number = b.number;
DELETE FROM trial_experiments t USING batch_trials b
WHERE t.study_id = b.study_id AND t.number = b.number;

INSERT INTO trials
SELECT
    study_id, study, suite, model, dataset, recipe, strategy, label, number, state, origin,
    params, distributions, objectives, directions, "values", intermediate, densities, seeds,
    steps, seconds, budget, sampler, pruner, source_hash, run_id, recorded_at, journal_order
FROM batch_trials;

INSERT INTO trial_experiments
SELECT study_id, number, unnest(experiment_ids) FROM batch_trials;

-- Workers: each record has the totals of all of its run's.
CREATE TEMP TABLE batch_workers AS
SELECT * FROM staged WHERE record = 'workers' AND run_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY journal_order DESC) = 1;

DELETE FROM worker_uses WHERE run_id IN (SELECT run_id FROM batch_workers);
INSERT INTO worker_uses
SELECT
    run_id, suite, w.slot, w.worker, w.host, w.device, w.state, w.processes, w.units,
    w.experiments, w.retries, w.steps, w.examples, w.training_seconds, w.starting_seconds,
    w.busy_seconds, w.queued_seconds, w.idle_seconds, recorded_at
FROM (SELECT run_id, suite, recorded_at, unnest(workers) AS w FROM batch_workers);

CREATE TEMP TABLE batch_stragglers AS
SELECT * FROM staged
WHERE record = 'straggler' AND run_id IS NOT NULL AND experiment_id IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY run_id, experiment_id, worker ORDER BY journal_order DESC
) = 1;

DELETE FROM stragglers s USING batch_stragglers b
WHERE s.run_id = b.run_id AND s.experiment_id = b.experiment_id
    AND s.worker IS NOT DISTINCT FROM b.worker;
INSERT INTO stragglers
SELECT run_id, experiment_id, worker, seconds, expected_seconds, ended, recorded_at
FROM batch_stragglers;

CREATE TEMP TABLE touched AS
SELECT experiment_id FROM batch_tickets UNION SELECT experiment_id FROM batch_outcomes;

DROP TABLE batch_runs;
DROP TABLE batch_plans;
DROP TABLE batch_outcomes;
DROP TABLE batch_tickets;
DROP TABLE batch_trainings;
DROP TABLE batch_trials;
DROP TABLE batch_workers;
DROP TABLE batch_stragglers;
DROP TABLE replaced;
