-- The column `current` of the table `looks`, run after every batch: whether a look is of the rule by
-- which its suite was last run (maximum, margin and baseline), and none that came later, at fewer
-- pairs, has taken its place: a run writes with a look that changes all later ones again.

UPDATE looks SET current = EXISTS (
    FROM (
        SELECT
            l.rowid AS place,
            stated_margin(r.decide_margin, l.metric) AS margin,
            stated_margin(s.decide_margin, l.metric) AS present_margin,
            l.max_seeds = s.max_seeds AND l.baseline = s.baseline AS same,
            max(l.journal_order) OVER (
                PARTITION BY l.suite, l.model, l.dataset, l.recipe, l.source_model,
                    l.source_dataset, l.source_recipe, l.label, l.target_density
                ORDER BY l.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS earlier,
            l.journal_order AS own
        FROM looks l
        JOIN suites s ON s.suite = l.suite
        LEFT JOIN environments r ON r.run_id = l.run_id
    ) AS o
    WHERE o.place = looks.rowid AND o.same AND o.margin = o.present_margin
        AND coalesce(o.earlier < o.own, true)
);
