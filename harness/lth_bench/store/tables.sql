-- The tables of results.duckdb, folded from the journal. `store/records.py` says what the fields
-- mean; `reports/README.md` is the users' page. A change here or in views.sql needs a new
-- SCHEMA_VERSION in schema.py.
--
-- No table has a primary key: the fold is the only writer, deletes a key before it inserts it,
-- and DuckDB's key indexes cost 90 ms for one insert into 100,000 rows.

CREATE TABLE meta (key VARCHAR, value VARCHAR);

-- Two-sided 95% quantiles of Student's t, filled from scipy.
CREATE TABLE t_quantiles (df BIGINT, t DOUBLE);

CREATE TABLE suites (
    suite VARCHAR, suite_version VARCHAR, suite_toml VARCHAR, baseline VARCHAR,
    run_id VARCHAR, recorded_at TIMESTAMP, journal_order BIGINT,
    max_seeds BIGINT, decide_margin DOUBLE  -- NULL at a fixed number of seeds, and by default
);

CREATE TABLE environments (
    run_id VARCHAR, suite VARCHAR, suite_version VARCHAR, suite_toml VARCHAR, command VARCHAR,
    device VARCHAR, host VARCHAR, python VARCHAR, torch VARCHAR, environment JSON,
    overrides VARCHAR[],
    recorded_at TIMESTAMP, journal_order BIGINT,
    max_seeds BIGINT, decide_margin DOUBLE  -- as in suites, of this run
);

CREATE TABLE plugins (
    run_id VARCHAR, plugin VARCHAR, plugin_group VARCHAR, origin VARCHAR, version VARCHAR,
    source_hash VARCHAR
);

-- One row per (suite, experiment) ever planned; the view `experiments` adds what became of it.
CREATE TABLE plans (
    experiment_id VARCHAR, config_id VARCHAR, suite VARCHAR, strategy VARCHAR, label VARCHAR,
    params JSON, model VARCHAR, dataset VARCHAR, recipe VARCHAR,
    source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, seed BIGINT,
    densities DOUBLE[], controls VARCHAR[], iterative BOOLEAN,
    plugin_version VARCHAR, source_hash VARCHAR, config JSON,
    scored_on VARCHAR, tuned_from VARCHAR, tuned_trial BIGINT, tuning_steps BIGINT,
    parameters BIGINT, prunable BIGINT, not_prunable VARCHAR[], metric VARCHAR,
    metric_unit VARCHAR, higher_is_better BOOLEAN, start JSON, run_id VARCHAR, recorded_at TIMESTAMP,
    journal_order BIGINT
);

-- What the leaderboard groups by, numbered: grouping a million rows by one integer takes a fifth
-- of the time that grouping by ten strings takes. The numbers hold until something is planned.
CREATE TABLE tasks (
    task INTEGER, suite VARCHAR, model VARCHAR, dataset VARCHAR, recipe VARCHAR,
    metric VARCHAR  -- its primary one, as the plan said last: test_accuracy of classification
);
CREATE TABLE cells (
    cell INTEGER, task INTEGER, source_model VARCHAR, source_dataset VARCHAR,
    source_recipe VARCHAR, target_density DOUBLE, strategy VARCHAR, label VARCHAR,
    control VARCHAR, tuned_from VARCHAR, tuning_steps BIGINT
);

-- One row per (suite, experiment, target density, control) that counts: of each label's task and
-- seed, the configuration planned last. Refilled whenever something is planned. What a search for
-- parameters tries, scored on the validation split, is no result and has no slot.
CREATE TABLE slots (
    cell INTEGER, task INTEGER, suite VARCHAR, experiment_id VARCHAR, seed BIGINT,
    target_density DOUBLE, control VARCHAR
);

-- The slots with what is known of them: the view `tickets_flat`, joined beforehand.
CREATE TABLE flat (
    cell INTEGER, task INTEGER,
    experiment_id VARCHAR, suite VARCHAR, strategy VARCHAR, label VARCHAR, params JSON,
    control VARCHAR, model VARCHAR, dataset VARCHAR, recipe VARCHAR,
    source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, seed BIGINT,
    target_density DOUBLE, density DOUBLE, effective_density DOUBLE, unit_density DOUBLE,
    test_accuracy DOUBLE, test_loss DOUBLE, val_accuracy DOUBLE, train_accuracy DOUBLE,
    early_stop_step BIGINT, early_stop_accuracy DOUBLE,
    steps BIGINT, flops_dense DOUBLE, flops_masked_theoretical DOUBLE, seconds DOUBLE,
    search_seconds DOUBLE, status VARCHAR, reason VARCHAR,
    ticket_id VARCHAR, round BIGINT, rewind_step BIGINT, examples BIGINT,
    search_steps BIGINT, search_examples BIGINT, search_flops_dense DOUBLE,
    search_flops_masked_theoretical DOUBLE, spent_steps BIGINT, spent_seconds DOUBLE,
    config_id VARCHAR, run_id VARCHAR, recorded_at TIMESTAMP, test_examples BIGINT,
    empty_layers BIGINT, score DOUBLE, metric VARCHAR, higher_is_better BOOLEAN,
    early_stop_score DOUBLE, bit_operations DOUBLE, search_bit_operations DOUBLE
);

-- Of suites whose seeds are added until decided: the seeds that not all labels of a task have.
-- Means, ranks and figures leave them out; refilled at every fold.
CREATE TABLE uncommon (task INTEGER, seed BIGINT);

-- What each look at such a comparison said; `stop` is why no more seeds were needed, if so.
CREATE TABLE looks (
    suite VARCHAR, model VARCHAR, dataset VARCHAR, recipe VARCHAR,
    source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, label VARCHAR,
    target_density DOUBLE, n BIGINT, verdict VARCHAR, stop VARCHAR, difference DOUBLE,
    deviation DOUBLE, p DOUBLE, p_equivalent DOUBLE, margin DOUBLE, max_seeds BIGINT,
    baseline VARCHAR, metric VARCHAR, run_id VARCHAR, recorded_at TIMESTAMP, journal_order BIGINT,
    current BOOLEAN  -- whether it is of the suite's present rule; set at every fold
);

-- What objectives say of their primary metrics, by the names that tickets have them under. Other
-- metrics are known by their names alone.
CREATE TABLE measures (metric VARCHAR, unit VARCHAR, higher_is_better BOOLEAN);

CREATE TABLE outcomes (
    experiment_id VARCHAR, status VARCHAR, reason VARCHAR, seconds DOUBLE, worker VARCHAR,
    cohort_size BIGINT, fingerprint VARCHAR, replaces VARCHAR, torch VARCHAR, engine BIGINT,
    device VARCHAR, run_id VARCHAR, recorded_at TIMESTAMP, journal_order BIGINT
);

CREATE TABLE tickets (
    ticket_id VARCHAR, experiment_id VARCHAR, run_id VARCHAR, round BIGINT, control VARCHAR,
    reported BOOLEAN, target_density DOUBLE, density DOUBLE, effective_density DOUBLE,
    unit_density DOUBLE, rewind_step BIGINT, status VARCHAR, reason VARCHAR,
    test_accuracy DOUBLE, test_loss DOUBLE, val_accuracy DOUBLE, train_accuracy DOUBLE,
    early_stop_step BIGINT, early_stop_accuracy DOUBLE,
    steps BIGINT, examples BIGINT, flops_dense DOUBLE, flops_masked_theoretical DOUBLE,
    seconds DOUBLE,
    search_steps BIGINT, search_examples BIGINT, search_flops_dense DOUBLE,
    search_flops_masked_theoretical DOUBLE, search_seconds DOUBLE,
    spent_steps BIGINT, spent_seconds DOUBLE,
    recorded_at TIMESTAMP, journal_order BIGINT, fingerprint VARCHAR, test_examples BIGINT,
    empty_layers BIGINT, score DOUBLE, bit_operations DOUBLE, search_bit_operations DOUBLE
);

CREATE TABLE metrics (ticket_id VARCHAR, metric VARCHAR, value DOUBLE);

CREATE TABLE answers (ticket_id VARCHAR, metric VARCHAR, bits BLOB);

CREATE TABLE layers (
    ticket_id VARCHAR, position INTEGER, layer VARCHAR, kind VARCHAR, total BIGINT, kept BIGINT,
    frozen BOOLEAN
);

CREATE TABLE units (
    ticket_id VARCHAR, layer VARCHAR, side VARCHAR, shape BIGINT[], kept BIGINT[]
);

CREATE TABLE curves (
    ticket_id VARCHAR, step BIGINT, train_loss DOUBLE, val_loss DOUBLE, val_accuracy DOUBLE,
    val_score DOUBLE
);

CREATE TABLE weights (
    ticket_id VARCHAR, layer VARCHAR, moment VARCHAR, reach DOUBLE, counts BIGINT[]
);

CREATE TABLE fates (
    ticket_id VARCHAR, layer VARCHAR, fate VARCHAR, weights BIGINT, same_sign BIGINT, grew BIGINT,
    moved DOUBLE, initial DOUBLE, reach DOUBLE, cells BIGINT[], counts BIGINT[]
);

CREATE TABLE matrices (ticket_id VARCHAR, name VARCHAR, steps BIGINT[], "values" DOUBLE[]);

CREATE TABLE outlines (ticket_id VARCHAR, name VARCHAR, x DOUBLE[], y DOUBLE[]);

CREATE TABLE trainings (
    key VARCHAR, start_step BIGINT, end_step BIGINT, steps BIGINT, flops_dense DOUBLE,
    flops_masked_theoretical DOUBLE, seconds DOUBLE, device VARCHAR, cohort_size BIGINT,
    variant VARCHAR, device_name VARCHAR, peak_memory BIGINT, run_id VARCHAR
);

CREATE TABLE ticket_trainings (ticket_id VARCHAR, key VARCHAR, role VARCHAR, reused BOOLEAN);

-- One row per trial of a search for parameters.
CREATE TABLE trials (
    study_id VARCHAR, study VARCHAR, suite VARCHAR, model VARCHAR, dataset VARCHAR,
    recipe VARCHAR, strategy VARCHAR, label VARCHAR, number BIGINT, state VARCHAR, origin VARCHAR,
    params JSON, distributions JSON, objectives VARCHAR[], directions VARCHAR[],
    "values" DOUBLE[], intermediate DOUBLE[][], densities DOUBLE[], seeds BIGINT[],
    tuning_steps BIGINT, tuning_seconds DOUBLE, budget JSON, sampler VARCHAR, pruner VARCHAR,
    source_hash VARCHAR, run_id VARCHAR, recorded_at TIMESTAMP, journal_order BIGINT
);

CREATE TABLE trial_experiments (study_id VARCHAR, number BIGINT, experiment_id VARCHAR);

-- One row per form in which `measure` has timed a ticket, per device, threads and batch size.
CREATE TABLE latencies (
    ticket_id VARCHAR, device VARCHAR, host VARCHAR, torch VARCHAR, threads BIGINT,
    batch_size BIGINT, dtype VARCHAR, clock VARCHAR, form VARCHAR, reason VARCHAR, repeats BIGINT,
    median_seconds DOUBLE, seconds_low DOUBLE, seconds_high DOUBLE, speedup DOUBLE,
    speedup_low DOUBLE, speedup_high DOUBLE, bytes BIGINT, peak_memory BIGINT, recorded_at TIMESTAMP
);

-- What each worker of a run did until its last record; the view `workers` adds rates.
CREATE TABLE worker_uses (
    run_id VARCHAR, suite VARCHAR, slot BIGINT, worker VARCHAR, host VARCHAR, device VARCHAR,
    state VARCHAR, processes BIGINT, units BIGINT, experiments BIGINT, retries BIGINT,
    steps BIGINT, examples BIGINT, training_seconds DOUBLE, starting_seconds DOUBLE,
    busy_seconds DOUBLE, queued_seconds DOUBLE, idle_seconds DOUBLE, recorded_at TIMESTAMP
);

CREATE TABLE stragglers (
    run_id VARCHAR, experiment_id VARCHAR, worker VARCHAR, seconds DOUBLE,
    expected_seconds DOUBLE, ended BOOLEAN, recorded_at TIMESTAMP
);

COMMENT ON TABLE meta IS 'Version of these tables, and how far the journal is folded.';
COMMENT ON TABLE t_quantiles IS 'Two-sided 95% quantiles of Student''s t by degrees of freedom.';
COMMENT ON TABLE suites IS 'Suites as last run: name, version, TOML, baseline.';
COMMENT ON TABLE environments IS 'Runs: command, device, host, versions; details as JSON.';
COMMENT ON TABLE plugins IS 'Plugins that each run had loaded, with version and source hash.';
COMMENT ON TABLE plans IS 'Every experiment ever planned, superseded ones too.';
COMMENT ON TABLE tasks IS 'Numbers of the (suite, model, dataset, recipe).';
COMMENT ON TABLE cells IS 'Numbers of the rows of the leaderboard.';
COMMENT ON TABLE flat IS 'What tickets_flat shows.';
COMMENT ON TABLE slots IS 'The rows of tickets_flat: planned (experiment, density, control).';
COMMENT ON TABLE outcomes IS 'The last status of each experiment that ended.';
COMMENT ON TABLE tickets IS 'Finished rounds; reported is false for intermediate ones.';
COMMENT ON TABLE metrics IS 'Every metric of every ticket, plugins'' own included.';
COMMENT ON TABLE uncommon IS 'Seeds that not all labels have, where seeds are added until decided.';
COMMENT ON TABLE looks IS 'What each look said, where seeds are added until decided.';
COMMENT ON TABLE measures IS 'Unit and direction of the primary metrics of objectives.';
COMMENT ON TABLE answers IS 'Which test examples each ticket gets right, a bit each.';
COMMENT ON TABLE layers IS 'Weights kept in each prunable layer of each ticket.';
COMMENT ON TABLE units IS 'Weights kept of each unit, and of each pixel, of each ticket.';
COMMENT ON TABLE curves IS 'Losses, validation accuracy and primary metric at the evaluations of each ticket.';
COMMENT ON TABLE weights IS 'Histograms of the surviving weights, at start and end of training.';
COMMENT ON TABLE fates IS 'Kept and pruned weights in the unpruned network''s training, by layer.';
COMMENT ON TABLE matrices IS 'Values for every pair of moments in a search, row by row.';
COMMENT ON TABLE outlines IS 'Decision boundaries and their dual polygons, as points in the plane.';
COMMENT ON TABLE trainings IS 'Trainings by key; none is trained twice.';
COMMENT ON TABLE ticket_trainings IS 'Which trainings each ticket used, and as what.';
COMMENT ON TABLE worker_uses IS 'What each worker of a run did with its time.';
COMMENT ON TABLE stragglers IS 'Experiments that took much longer than similar ones.';
COMMENT ON TABLE trials IS 'Trials of the searches for parameters, all states.';
COMMENT ON TABLE trial_experiments IS 'Which experiments each trial is made of.';
COMMENT ON TABLE latencies IS 'Measured speed and memory of tickets, by form and device.';
