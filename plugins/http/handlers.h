/*
 * handlers.h - what the routes call, and how rows look as JSON. Handlers may block but where their route
 * says ROUTE_DIRECT.
 */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "request.h"

route_handler tasks_submit, tasks_list, tasks_show, tasks_units, tasks_verify, tasks_cancel, tasks_retry;
route_handler results_of_task, results_of_hosts, results_stdout, results_stderr;
route_handler outputs_of_task;
route_handler events_stream;
route_handler metrics_show;
route_handler engines_list, engines_executors, engines_healthy, engines_ready, engines_drain, engines_undrain;

route_handler groups_list, groups_show;
route_handler first_generation_submit_adhoc, first_generation_list_adhoc;
route_handler first_generation_submit_playbook, first_generation_list_playbook;

/* The member `inventory`. */
void groups_write_inventory(struct writer *w, const struct drover_inventory *inventory);

/* submit.c: for the core's complaints of a body; the context is the request's problem. */
drover_problem_fn submit_complain;
/* The answer to a submission that worked: its status. */
int submit_answer(struct request *r, const struct drover_submission *submission);

/* Finds the task that the path names: 0, or what is wrong is in the request's problem. */
int tasks_find(struct request *r, int64_t *key);

/* Paging: `limit` rows a page. */
#define PAGE_DEFAULT 100
#define PAGE_MAXIMUM 1000

#endif
