"""The record of measured speed: what the journal holds of a ticket that `measure` has timed.

Beside the other records, since it is the only one that no training makes: a ticket is timed on the
machine of the person who asks, as often as she likes, and the last time on a device counts.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class FormTime(TypedDict):
    """The time and the memory of a ticket in one form."""

    form: str
    """dense, masked, csr, shrunk or 2:4."""
    reason: str | None
    """Why the form could not be made or run; the fields below are then missing."""
    bytes: NotRequired[int | None]
    """Of all parameters and buffers; of compressed rows, values and indices."""
    peak_memory: NotRequired[int | None]
    """Bytes that the network and one batch held on a GPU at most; null on a CPU."""
    repeats: NotRequired[int]
    """Blocks of runs that were timed."""
    median_seconds: NotRequired[float]
    """Of one batch, over the blocks."""
    seconds_low: NotRequired[float]
    """First quartile over the blocks, and `seconds_high` the third."""
    seconds_high: NotRequired[float]
    speedup: NotRequired[float]
    """Time of the dense network over that of this form: median over the rounds, in each of which
    every form was timed once. Above 1 is faster. Missing where the dense network could not be
    timed."""
    speedup_low: NotRequired[float]
    speedup_high: NotRequired[float]


class LatencyRecord(TypedDict):
    """A ticket was timed. The last record of a (ticket_id, device, threads, batch_size) counts."""

    record: Literal["latency"]
    at: NotRequired[str]
    experiment_id: str
    ticket_id: str
    device: str
    """Model name of the CPU or the GPU."""
    host: str
    torch: str
    threads: int
    """Of torch, on a CPU."""
    batch_size: int
    """Examples in a batch."""
    dtype: str
    """Of the network: float32 or float64."""
    clock: str
    """`cpu` time of the process, with one thread on a CPU; otherwise `wall`."""
    forms: list[FormTime]


COLUMNS = {
    "device": "VARCHAR",
    "host": "VARCHAR",
    "torch": "VARCHAR",
    "threads": "BIGINT",
    "batch_size": "BIGINT",
    "dtype": "VARCHAR",
    "clock": "VARCHAR",
    "forms": (
        "STRUCT(form VARCHAR, reason VARCHAR, bytes BIGINT, peak_memory BIGINT, repeats BIGINT, "
        "median_seconds DOUBLE, seconds_low DOUBLE, seconds_high DOUBLE, speedup DOUBLE, "
        "speedup_low DOUBLE, speedup_high DOUBLE)[]"
    ),
}
"""The fields that no other record has, and the types that DuckDB reads them as."""

FOLD = """
CREATE TEMP TABLE batch_latencies AS
SELECT * FROM staged
WHERE
    record = 'latency' AND ticket_id IS NOT NULL AND device IS NOT NULL AND threads IS NOT NULL
    AND batch_size IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY ticket_id, device, threads, batch_size ORDER BY journal_order DESC
) = 1;

DELETE FROM latencies l USING batch_latencies b
WHERE
    l.ticket_id = b.ticket_id AND l.device = b.device AND l.threads = b.threads
    AND l.batch_size = b.batch_size;

INSERT INTO latencies
SELECT
    ticket_id, device, host, torch, threads, batch_size, dtype, clock, f.form, f.reason, f.repeats,
    f.median_seconds, f.seconds_low, f.seconds_high, f.speedup, f.speedup_low, f.speedup_high,
    f.bytes, f.peak_memory, recorded_at
FROM (SELECT *, unnest(forms) AS f FROM batch_latencies);

DROP TABLE batch_latencies;
"""
"""The batch's records into the table `latencies`, within the transaction of the others."""
