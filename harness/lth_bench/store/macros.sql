-- What each question's answer is, once: the views, the boards and the figures ask these macros.
-- `metric.py` adds those that tell of a metric by its name, and the table macro `scored`.

-- The policy on failures: a method loses a seed that failed or diverged on it. A seed that is
-- neither ok, lost nor skipped (out of memory or time, interrupted, planned) the machine owes.
CREATE MACRO is_lost(status) AS status IN ('failed', 'diverged');
CREATE MACRO is_owed(status) AS status NOT IN ('ok', 'failed', 'diverged', 'skipped');

-- `score` and `early_stop_score` are each task's own metric: its name, from that on the test split.
CREATE MACRO judged_by(metric_name, primary_metric) AS CASE metric_name
    WHEN 'score' THEN primary_metric
    WHEN 'early_stop_score' THEN 'early_stop_' || primary_metric[6:]
    ELSE metric_name
END;

-- What a seed counts as that the method lost, in ranks and areas: the worst value there is.
-- NULL where a metric has no worst value, as a loss: there such seeds rank behind all others.
CREATE MACRO worst_value(metric_name) AS CASE
    WHEN metric_unit(metric_name) = 'fraction'
    THEN CASE WHEN higher_is_better(metric_name) THEN 0.0 ELSE 1.0 END
END;

-- Half the distance of two values: the least that a deviation counts as (`Summary.floored`).
CREATE MACRO half_step(metric_name, test_examples) AS
    CASE WHEN is_on_test_examples(metric_name) THEN 0.5 / test_examples ELSE 0 END;
-- The half-width of a t-interval, from the quantile of n - 1 degrees of freedom.
CREATE MACRO half_width(t, deviation, n) AS t * deviation / sqrt(n);

-- Twelve digits of a value, so that roundoff decides no rank.
CREATE MACRO twelve_digits(x) AS round(
    x, CASE WHEN abs(x) >= 10 THEN 11 - CAST(floor(log10(abs(x))) AS INTEGER) ELSE 12 END
);

-- A network that is none: a layer without weights, or no path from input to output.
-- NULL where neither is known.
CREATE MACRO is_collapsed(empty_layers, effective_density) AS
    empty_layers > 0 OR effective_density = 0;

-- The dense run of each task and seed. Where several labels use `dense`, one of them has it at all
-- seeds, also at those that it lost: that of the name `dense`, or else the first in the alphabet,
-- which a label's ablations follow. The others are networks like any label's.
CREATE MACRO dense_of(metric_name) AS TABLE
SELECT
    task, seed,
    any_value(value) AS value,
    any_value(early_stop_step) AS early_stop_step,
    any_value(flops_dense) AS flops_dense
FROM (
    SELECT *, arg_min(label, (label <> 'dense', label)) OVER (PARTITION BY task) AS reference
    FROM scored(metric_name)
    WHERE strategy = 'dense' AND control = 'none'
)
WHERE label = reference AND status = 'ok'
GROUP BY task, seed;
