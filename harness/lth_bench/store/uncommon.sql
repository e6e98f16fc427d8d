-- The table `uncommon`, run after every batch: of suites whose seeds are added until decided, the
-- seeds that one of a task's labels has not ended, and that another has. A label without any result
-- yet is waited for by none.

DELETE FROM uncommon;

INSERT INTO uncommon
WITH chosen AS (
    SELECT f.task, f.cell, f.seed, NOT is_owed(f.status) AS ended
    FROM flat f
    JOIN tasks t ON t.task = f.task
    JOIN suites s ON s.suite = t.suite AND s.max_seeds IS NOT NULL
    WHERE f.control = 'none'
),
counted AS (SELECT task, count(DISTINCT cell) AS cells FROM chosen WHERE ended GROUP BY task),
shared AS (
    SELECT c.task, c.seed
    FROM chosen c JOIN counted k ON k.task = c.task
    WHERE c.ended
    GROUP BY c.task, c.seed, k.cells
    HAVING count(DISTINCT c.cell) = k.cells
)
SELECT DISTINCT task, seed FROM chosen c
ANTI JOIN shared s ON s.task = c.task AND s.seed = c.seed
ORDER BY ALL;
