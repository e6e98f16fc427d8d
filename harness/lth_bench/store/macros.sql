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

-- The rows of `flat` that boards and figures sum up: of seeds that all labels have, where seeds are
-- added until decided.
CREATE MACRO counted_rows() AS TABLE
SELECT f.* FROM flat f ANTI JOIN uncommon u ON u.task = f.task AND u.seed = f.seed;

-- Half the distance of two values: the least that a deviation counts as (`Summary.floored`).
CREATE MACRO half_step(metric_name, test_examples) AS
    CASE WHEN is_on_test_examples(metric_name) THEN 0.5 / test_examples ELSE 0 END;
-- The same where every seed may agree by chance: with a deviation of 1.5 / sqrt(n) an interval is
-- as wide as the rule of three has it, 3 / n.
CREATE MACRO half_step_of_chance(metric_name, n) AS
    CASE WHEN is_chance(metric_name) THEN 1.5 / sqrt(n) ELSE 0 END;
-- The half-width of a t-interval, from the quantile of n - 1 degrees of freedom.
CREATE MACRO half_width(t, deviation, n) AS t * deviation / sqrt(n);

-- An end of Wilson's 95% interval of a chance (`stats.wilson`), the lower at -1 and the upper at 1.
CREATE MACRO wilson_end(share, n, side) AS greatest(0, least(1,
    (share + 1.9207294 / n + side * sqrt(3.8414588 * share * (1 - share) / n + 3.6892015 / n / n))
    / (1 + 3.8414588 / n)
));
-- An end of the interval of a mean over n seeds; NULL at one seed.
CREATE MACRO mean_end(metric_name, mean, reach, n, side) AS
    CASE WHEN is_chance(metric_name) AND n > 1
    THEN wilson_end(mean, n, side) ELSE mean + side * reach END;

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
    any_value(flops_dense) AS flops_dense,
    any_value(ticket_id) AS ticket_id
FROM (
    SELECT *, arg_min(label, (label <> 'dense', label)) OVER (PARTITION BY task) AS reference
    FROM scored(metric_name)
    WHERE strategy = 'dense' AND control = 'none'
)
WHERE label = reference AND status = 'ok'
GROUP BY task, seed;
