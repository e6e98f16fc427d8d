"""The meaning of every view and column; written into the database as comments.

A column name means the same in every view, so each is explained once.
"""

from __future__ import annotations

VIEWS = {
    "experiments": "One row per planned experiment and suite, with what became of it.",
    "tickets_flat": "One row per planned (experiment, target density, control), reached or not.",
    "dense_runs": "The dense run of each task and seed.",
    "leaderboard": "One row per (suite, task, target density, label, control), over the seeds.",
    "paired": "Differences seed by seed: to dense, to the suite's baseline, and of a control to "
    "its own ticket.",
    "cost": "Mean cost of a ticket, search included: without sharing, and as spent.",
    "sharing": "Trainings requested by a suite's strategies, and how many were run.",
    "devices": "What each device of a run trained: steps, seconds, throughput, peak memory.",
    "workers": "What each worker of a run did with its time: work, throughput, waiting, retries.",
    "failures": "Planned rows without a result, and why.",
    "matching": "The sparsest density at which a label is not worse than dense.",
    "convergence": "How soon training reaches its minimum validation loss.",
    "pareto": "The metric against density and against cost: which rows nothing beats in both.",
    "tuning": "One row per study: a search for a label's parameters on a task.",
}

COLUMNS = {
    # what was planned
    "experiment_id": "Hash of everything that decides the experiment's results, except the data's "
    "content and the numerics.",
    "config_id": "Hash of the label's configuration on the task, without seed and density.",
    "suite": "Name of the suite.",
    "strategy": "Registered name of the strategy.",
    "label": "The suite's name for the strategy with these parameters; ranked by it.",
    "params": "Parameters of the strategy, JSON, defaults left out.",
    "control": "none, or the control that says which component was ablated: reinit, shuffle, …",
    "model": "Network of the task.",
    "dataset": "Data of the task.",
    "recipe": "Training recipe of the task.",
    "source_model": "Network the ticket was found on; the task's own unless transferred.",
    "source_dataset": "Data the ticket was found on; the task's own unless transferred.",
    "source_recipe": "Recipe the ticket was found with; the task's own unless transferred.",
    "seed": "Seed: same initial values and data order for every strategy.",
    "task": "Number of the suite's task within this file.",
    "target_density": "Target density, the fraction kept, in (0, 1]; 1.0 is the dense network.",
    "densities": "Target densities the experiment reports.",
    "controls": "Controls it trains beside each reported ticket.",
    "iterative": "Whether each density continues from the one before.",
    "plugin_version": "Version of the strategy's distribution.",
    "source_hash": "Hash of the strategy's source.",
    "config": "Everything that was hashed into experiment_id, JSON.",
    "current": "Whether its rows count: false where a newer configuration replaced it, and for "
    "what tuning tried.",
    "parameters": "All parameters of the network; NULL where not recorded.",
    "prunable": "Weights that densities count, by default those of convolutions, linear, "
    "attention and recurrent layers.",
    "not_prunable": "Names of the largest parameters that densities do not count, such as "
    "embeddings and biases, the largest first; NULL where not recorded.",
    "start": "The file that fixes the initial values: source, sha256, drawn (tensors drawn "
    "in spite of it), fixed (parameters that it fixes) and parameters, JSON; NULL where all are "
    "drawn.",
    "scored_on": "test, or validation for what tuning tried, which is in no other view.",
    # what came out
    "status": "planned, ok, failed, diverged, oom, timeout, skipped or interrupted.",
    "reason": "Why the status is not ok; of a row that is, what it lacks.",
    "worker": "Worker that ran it.",
    "fingerprint": "Hash of the content of the data it was trained on; NULL where an old version "
    "did not record it.",
    "torch": "Version of torch it was trained with.",
    "engine": "Revision of the training engine.",
    "device": "Name of the GPU it was trained on, or cpu.",
    "ticket_id": "The ticket, as `show` takes it.",
    "round": "Pass of the hooks that made the ticket.",
    "rewind_step": "Step of training the survivors' values were taken from.",
    "density": "Kept fraction of the prunable weights, in (0, 1].",
    "effective_density": "Fraction of the prunable weights on some path from input to output; NULL "
    "where the network has an operation whose connections are not known.",
    "unit_density": "Kept fraction of channels and neurons; structured tickets only.",
    "test_accuracy": "Test accuracy after the last step, fraction in [0, 1]; this and all other "
    "accuracies are NULL of tasks whose objective measures none.",
    "test_examples": "Examples of the test split: accuracies are multiples of 1 / so many, and the "
    "deviation in their intervals counts as half of that at least. NULL where not recorded.",
    "empty_layers": "Prunable layers with no remaining weights (layer collapse); not those whose "
    "pruned weights are frozen at other values than zero.",
    "collapsed": "Seeds whose ticket has a layer with no remaining weights, or no path from input "
    "to "
    "output (layer collapse).",
    "test_loss": "Test loss after the last step.",
    "val_accuracy": "Validation accuracy after the last step, fraction in [0, 1].",
    "train_accuracy": "Accuracy on the training split after the last step, fraction in [0, 1].",
    "early_stop_step": "Step of minimum validation loss, ties to the earliest.",
    "score": "The task's primary metric on the test split, after the last step: of classification "
    "test_accuracy.",
    "metric": "Name of the task's primary metric, which score, mean and differences are of.",
    "higher_is_better": "Whether larger values of the metric are better.",
    "early_stop_score": "The task's primary metric on the test split at early_stop_step.",
    "early_stop_accuracy": "Test accuracy at early_stop_step, fraction in [0, 1].",
    "run_id": "Run that recorded it; see the table environments.",
    "recorded_at": "When it was recorded, UTC.",
    # cost
    "steps": "Optimizer steps of the ticket's own training.",
    "examples": "Training examples seen by the ticket's own training.",
    "flops_dense": "FLOPs of the ticket's own training as executed, 2 a multiply-add.",
    "flops_masked_theoretical": "FLOPs of the same if pruned weights cost nothing.",
    "seconds": "Wall-clock seconds of the training (in experiments: of the whole experiment).",
    "search_steps": "Optimizer steps spent to find the ticket, without sharing.",
    "search_examples": "Training examples seen to find the ticket.",
    "search_flops_dense": "FLOPs spent to find the ticket, as executed.",
    "search_flops_masked_theoretical": "FLOPs of the same if pruned weights cost nothing.",
    "search_seconds": "Wall-clock seconds spent to find the ticket, without sharing.",
    "spent_steps": "Optimizer steps actually executed; shared trainings count once.",
    "spent_seconds": "Wall-clock seconds actually spent.",
    "bit_operations": "Multiply-adds of the ticket's own training if pruned weights cost nothing, "
    "each times the bits of its two operands: 8 × 8 in eight bits, 32 × 32 in float32.",
    "search_bit_operations": "The same of the search for the ticket.",
    "total_bit_operations": "The same of search and training.",
    "total_steps": "Steps of search and training.",
    "total_examples": "Examples of search and training.",
    "total_flops_dense": "FLOPs of search and training, as executed.",
    "total_flops_masked_theoretical": "FLOPs of search and training if pruned weights cost "
    "nothing.",
    "total_seconds": "Seconds of search and training, without sharing.",
    "flops_ratio": "FLOPs of search and training as executed / FLOPs of the dense run.",
    "flops_masked_ratio": "The same if pruned weights cost nothing.",
    "tuning_steps": "Optimizer steps of the trials that found the parameters, without "
    "sharing; NULL where nothing was tuned.",
    "tuning_seconds": "Wall-clock seconds of the trials.",
    # sharing
    "trainings_asked": "Trainings that the strategies asked for: of each strategy, task and seed "
    "every one once, the dense run included.",
    "trainings_run": "Trainings done for this suite; the others were shared, or found from before.",
    "steps_asked": "Optimizer steps of the trainings asked for.",
    "steps_run": "Optimizer steps of the trainings done.",
    "steps_share": "steps_run / steps_asked.",
    # devices
    "host": "Name of the machine.",
    "seconds_run": "Wall-clock seconds of the trainings done, summed over the processes that did "
    "them; each cohort counts once.",
    "model_steps_per_second": "steps_run / seconds_run: optimizer steps a second of one worker "
    "process, those of all trainings in its cohorts added.",
    "peak_memory": "Bytes that a cohort held on the device at most; NULL on a CPU.",
    "cohort_size": "Trainings stacked into one computation, at most.",
    # workers
    "slot": "Place of the worker among those of its run, from 0; a place that moved to another "
    "machine has a row for each.",
    "worker_device": "Device of the worker, such as cpu or cuda:1.",
    "worker_state": "What it did when the row was recorded: starting, busy, queued, idle or gone.",
    "processes": "Processes that followed each other: 1, and one more for each that died.",
    "work_units": "Times that it was given work: an experiment, or several side by side.",
    "experiments_ended": "Experiments that ended there, in whatever way.",
    "retries": "Experiments that had to start again since it died, or its memory was too small.",
    "examples_run": "Training examples of the trainings done.",
    "examples_per_second": "examples_run / seconds_run.",
    "starting_seconds": "Seconds in which its process started, or it waited for a place in the "
    "cluster.",
    "busy_seconds": "Seconds in which it had work: trainings, and what strategies compute.",
    "queued_seconds": "Seconds without work while some was queued, such as what waits for a dense "
    "run.",
    "idle_seconds": "Seconds in which nothing was left for it.",
    "busy_share": "busy_seconds / all of its time, in [0, 1].",
    # tuning
    "tuned_from": "study_id of the search that found the parameters; NULL where none did.",
    "tuned_trial": "Number of the trial that the parameters are from.",
    "study_id": "Hash of what is searched, for what, and on which task, seeds and densities.",
    "study": "SUITE/MODEL/DATASET/RECIPE/LABEL.",
    "objectives": "What is searched for: accuracy, area, matching, density, cost.",
    "directions": "maximize or minimize, for each objective.",
    "trials": "Trials of the study.",
    "trials_complete": "Trials with a value.",
    "trials_pruned": "Trials stopped early.",
    "trials_failed": "Trials without a value: failed or diverged.",
    "best_trial": "Number of the best trial, ties to the first; NULL for two objectives.",
    "best_value": "Its value, on the validation split.",
    "best_params": "Its parameters, JSON.",
    "default_value": "Value of the suite's own settings, which are tried first.",
    "sampler": "What proposed the trials.",
    "pruner": "What stopped trials early.",
    "budget": "What each strategy may spend, JSON: trials, steps or minutes.",
    # over the seeds
    "n": "Seeds with a result.",
    "mean": "Mean of the metric, in its unit; an accuracy is a fraction in [0, 1].",
    "low": "Lower end of the mean's 95% t-interval; NULL at n = 1.",
    "high": "Upper end of the mean's 95% t-interval; NULL at n = 1.",
    "delta_dense": "Mean of the differences to the dense run, seed by seed, in the metric's unit; "
    "above 0 where the values are larger, better or not.",
    "delta_low": "Lower end of delta_dense's 95% t-interval; NULL at one pair.",
    "delta_high": "Upper end of delta_dense's 95% t-interval; NULL at one pair.",
    "delta_n": "Seeds with both a result and a dense run.",
    "rank": "1 is the best of the task and density: by the mean over the seeds that ended ok and "
    "those that the method lost, at which a fraction counts as its worst value; of other metrics "
    "the label that lost fewer ranks first. NULL for controls, and where no seed ended ok.",
    "planned": "Seeds planned.",
    "failed": "Seeds that the method lost: failed or diverged.",
    "skipped": "Seeds whose density the strategy cannot reach; of a control, where it would be "
    "its own ticket.",
    "pending": "Seeds without a result yet: to come, interrupted, out of memory or out of time.",
    # comparisons
    "versus": "What it is compared with at the same task and seed: dense, baseline, or ticket "
    "(a control's own ticket).",
    "versus_accuracy": "Test accuracy of that, fraction in [0, 1].",
    "versus_score": "score of that.",
    "difference": "score − versus_score: of classification test_accuracy − versus_accuracy.",
    "early_stop_difference": "Difference of early_stop_score.",
    "early_stop_step_ratio": "early_stop_step / that of what it is compared with.",
    "matching_density": "Sparsest target density not worse than dense on average: delta_dense ≥ 0, "
    "or ≤ 0 if smaller values are better; of those at which the method lost or skipped no seed.",
    "compatible_density": "Sparsest target density whose interval of delta_dense reaches 0, of the "
    "same.",
    "step_ratio_dense": "Early-stop step / that of the dense run of the same seed: the "
    "geometric mean over the seeds.",
    "step_ratio_ticket": "Early-stop step of a control / that of its own ticket: the "
    "geometric mean over the seeds.",
    "on_density_front": "No row of the task is as good and sparser, or as sparse and better; a "
    "row that lost a seed neither is on the front nor keeps others off.",
    "on_cost_front": "The same for the metric and flops_masked_ratio; false without a ratio.",
}
