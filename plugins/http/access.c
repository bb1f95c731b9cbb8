/* access.c - see access.h. */
#define _GNU_SOURCE
#include "access.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "allow.h"
#include "request.h"

/* ------------------------------------------------------------------------------------- who asks */

/* On a unix socket the kernel says who it is; on TCP nobody does. */
static void identify_peer(struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct access *a = &r->access;
	struct passwd entry, *found = NULL;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	char buffer[4096];

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return;
	snprintf(a->from, sizeof(a->from), "uid %u", (unsigned)peer.uid);
	if (!getpwuid_r(peer.uid, &entry, buffer, sizeof(buffer), &found) && found)
		snprintf(a->owner, sizeof(a->owner), "%.64s", entry.pw_name);
	else
		snprintf(a->owner, sizeof(a->owner), "uid:%u", (unsigned)peer.uid);
}

static void identify_address(struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;
	struct access *a = &r->access;
	char host[INET6_ADDRSTRLEN];

	if (peer && peer->sa_family == AF_INET) {
		const struct sockaddr_in *ip4 = (const void *)peer;

		snprintf(a->from, sizeof(a->from), "%s:%u", inet_ntop(AF_INET, &ip4->sin_addr, host, sizeof(host)),
			 ntohs(ip4->sin_port));
	} else if (peer && peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *ip6 = (const void *)peer;

		snprintf(a->from, sizeof(a->from), "[%s]:%u", inet_ntop(AF_INET6, &ip6->sin6_addr, host, sizeof(host)),
			 ntohs(ip6->sin6_port));
	}
}

struct authorization {
	const char *value;
	int count;
};

static enum MHD_Result count_authorization(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct authorization *a = context;

	(void)kind;
	if (!strcasecmp(name, "Authorization")) {
		a->value = value;
		a->count++;
	}
	return MHD_YES;
}

static void unauthorized(struct request *r, const char *challenge, const char *detail)
{
	problem_set(&r->problem, PROBLEM_UNAUTHORIZED, "%s", detail);
	request_add_header(r, "WWW-Authenticate", "Bearer realm=\"drover\"%s", challenge);
}

/* What is told does not say whether a token was revoked or never was; of an expired one its holder is told. */
static void identify_token(struct request *r)
{
	static const char invalid[] = ", error=\"invalid_token\"";
	struct authorization authorization = { NULL, 0 };
	struct access *a = &r->access;
	const char *text;

	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_authorization, &authorization);
	if (!authorization.count) {
		unauthorized(r, "", "a token is needed: the header Authorization: Bearer TOKEN");
		return;
	}
	if (authorization.count > 1 || !authorization.value || strncasecmp(authorization.value, "Bearer ", 7)) {
		unauthorized(r, ", error=\"invalid_request\"", "one header Authorization: Bearer TOKEN is wanted");
		return;
	}
	text = authorization.value + 7;
	switch (tokens_find(&r->server->tokens, text + strspn(text, " "), &a->token)) {
	case TOKEN_GOOD:
		snprintf(a->owner, sizeof(a->owner), "%s", a->token.name);
		break;
	case TOKEN_EXPIRED:
		unauthorized(r, invalid, "the token has expired");
		break;
	case TOKEN_MALFORMED:
	case TOKEN_UNKNOWN:
		unauthorized(r, invalid, "the token is not known, or was revoked");
		break;
	}
}

/* Where only some addresses may connect, and whoever does may submit and ask, and no more. */
static void identify_allowed(struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct access *a = &r->access;

	if (!allow_has(r->server->options->allow, info ? info->client_addr : NULL)) {
		problem_set(&r->problem, PROBLEM_FORBIDDEN,
			    "this address is not among first_generation.allow_from of the configuration");
		r->hang_up = true;
		return;
	}
	snprintf(a->owner, sizeof(a->owner), "first_generation");
	a->by.name = a->owner;
	a->by.role = DROVER_ROLE_SUBMIT;
}

void access_identify(struct request *r)
{
	struct access *a = &r->access;

	if (r->server->listener.local)
		identify_peer(r);
	else
		identify_address(r);
	a->by = (struct drover_principal){ .size = sizeof(a->by), .from = *a->from ? a->from : NULL };
	if (r->server->options->allow) {
		identify_allowed(r);
		return;
	}
	if (r->route && r->route->role == ROLE_ANYBODY)
		return;
	if (!r->server->options->tokens) {
		a->by.name = *a->owner ? a->owner : NULL;
		a->by.role = DROVER_ROLE_ADMIN;
		a->by.admin = true;
		return;
	}
	*a->owner = '\0';
	identify_token(r);
	if (!r->problem.kind)
		principal_describe(&a->token, &a->by);
}

/* ------------------------------------------------------------------------------- what they may do */

void access_check_role(struct request *r)
{
	static const struct {
		enum drover_role role;
		const char *name;
	} needs[] = {
		[ROLE_READ] = { DROVER_ROLE_READ, "read" },
		[ROLE_SUBMIT] = { DROVER_ROLE_SUBMIT, "submit" },
		[ROLE_ADMIN] = { DROVER_ROLE_ADMIN, "admin" },
	};
	enum route_role role = r->route->role;

	if (role == ROLE_ANYBODY)
		return;
	if (role < ROLE_READ || role > ROLE_ADMIN)
		problem_set(&r->problem, PROBLEM_FORBIDDEN, "nobody may do this");
	else if (r->access.by.role < needs[role].role)
		problem_set(&r->problem, PROBLEM_FORBIDDEN, "this needs a token of role %s", needs[role].name);
}

bool access_needs_task(const struct request *r)
{
	static const char scoped[] = "/v1/tasks/{";

	return r->access.by.hosts && r->route && !strncmp(r->route->path, scoped, sizeof(scoped) - 1) &&
	       r->arguments[0];
}

static int permit(struct request *r, const char *task, const char *host)
{
	const struct drover_source_services *services = r->server->services;
	struct drover_error err = { 0 };
	int code;

	if (!services->permit)
		return problem_set(&r->problem, PROBLEM_FORBIDDEN, "this core cannot hold a token to its node set");
	code = services->permit(r->server->core, &r->access.by, task, host, &err);
	if (code == DROVER_ENOTFOUND)
		return problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no task %.160s", task ? task : "");
	return code ? problem_set_code(&r->problem, code, &err) : 0;
}

void access_check_task(struct request *r)
{
	permit(r, r->arguments[0], NULL);
}

int access_check_host(struct request *r, const char *host)
{
	return r->access.by.hosts ? permit(r, NULL, host) : 0;
}

int access_check_named_task(struct request *r, const char *task)
{
	return r->access.by.hosts ? permit(r, task, NULL) : 0;
}

int access_own_only(struct request *r, const char **owner)
{
	if (!r->access.by.hosts)
		return 0;
	if (*owner && strcmp(*owner, r->access.by.name))
		return problem_set(&r->problem, PROBLEM_FORBIDDEN, "a token with a node set sees only its own tasks");
	*owner = r->access.by.name;
	return 0;
}

bool access_still(struct request *r)
{
	return !r->access.token.role || tokens_still(&r->server->tokens, &r->access.token);
}

/* --------------------------------------------------------------------------------- the audit log */

/* The core knows more of these, and of each it writes a line before it is done. */
static bool is_written_by_core(const struct route *route)
{
	static const char *const paths[] = { "/v1/tasks", "/v1/tasks/{id}/retry" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (!strcmp(route->path, paths[i]))
			return true;
	return route_is_first_generation(route);
}

static int write_line(struct request *r, const char *result, struct drover_error *err)
{
	const struct drover_source_services *services = r->server->services;
	const char *path = r->route->path, *last = strrchr(path, '/') + 1;
	struct drover_audit line = { .size = sizeof(line),
				     .action = *last == '{' ? path : last,
				     .result = result,
				     .by = &r->access.by,
				     .task = !strncmp(path, "/v1/tasks/{", 11) ? r->arguments[0] : NULL,
				     .detail = *r->problem.detail ? r->problem.detail : NULL };

	return services->audit ? services->audit(r->server->core, &line, err) : 0;
}

bool access_audit(struct request *r)
{
	struct drover_error err = { 0 };
	int code;

	if (r->access.audited || strcmp(r->route->method, "POST") || is_written_by_core(r->route))
		return true;
	code = write_line(r, "allowed", &err);
	r->access.audited = !code;
	if (code)
		problem_set_code(&r->problem, code, &err);
	return !code;
}

void access_audit_failure(struct request *r)
{
	struct drover_error err = { 0 };

	if (r->access.audited && write_line(r, "failed", &err))
		drover_log(DROVER_LOG_ERROR, "a failure is missing in the audit log: %s", err.message);
}

void access_dispose(struct access *access)
{
	principal_dispose(&access->token);
}
