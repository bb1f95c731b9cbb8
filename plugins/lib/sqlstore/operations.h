/*
 * operations.h - the table of a store's operations, for the plugins built with this library: a plugin's
 * own is { SQLSTORE_OPERATIONS, .shared = … }.
 */
#ifndef SQLSTORE_OPERATIONS_H
#define SQLSTORE_OPERATIONS_H

#include "sqlstore/sqlstore.h"

/* clang-format off */
#define SQLSTORE_OPERATIONS \
	.size = sizeof(struct drover_store_ops), \
	.session_open = session_open, \
	.session_close = session_close, \
	.begin = transaction_begin, \
	.commit = transaction_commit, \
	.rollback = transaction_rollback, \
	.incarnate = incarnations_begin, \
	.renew = incarnations_renew, \
	.retire = incarnations_retire, \
	.sweep = unit_end_sweep, \
	.insert_task = submit_task, \
	.insert_hosts = submit_hosts, \
	.insert_units = submit_units, \
	.accept = submit_accept, \
	.sweep_accepting = removal_sweep_accepting, \
	.abandon = removal_abandon, \
	.claim = claim_units, \
	.intend = claim_intend, \
	.results = results_write, \
	.end_unit = unit_end, \
	.cancel = lifecycle_cancel, \
	.expire = lifecycle_expire, \
	.retain = removal_retain, \
	.task = query_task, \
	.tasks = query_tasks, \
	.units = query_units, \
	.ready_units = query_ready_units, \
	.unit_hosts = query_unit_hosts, \
	.results_query = query_results, \
	.verify = query_verify, \
	.incarnations = incarnations_query, \
	.last_seq = query_last_seq, \
	.advance = thresholds_advance, \
	.task_hosts = query_task_hosts, \
	.groups = query_groups, \
	.output_part = query_output_part, \
	.examine = driver_examine, \
	.expel = incarnations_expel, \
	.ask_drain = incarnations_ask_drain, \
	.nodes = incarnations_nodes, \
	.published = publishing_note, \
	.due_units = publishing_due, \
	.envelopes = publishing_envelopes, \
	.queued = publishing_queued
/* clang-format on */

#endif
