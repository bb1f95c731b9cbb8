/* main.c - `ssh` as Ansible calls it: a session of its master where there is one, else OpenSSH's ssh. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

/* As ssh says it where a terminal was asked for; it takes names in lower case. */
static void say_closed(const char *host)
{
	fputs("Shared connection to ", stderr);
	for (; *host; host++)
		fputc(tolower((unsigned char)*host), stderr);
	fputs(" closed.\r\n", stderr);
}

int main(int argc, char *argv[])
{
	static char name[] = "ssh";
	struct session session = { 0 };
	int status;

	if (argc > 2 && options_parse(&session, argv) && config_read(&session)) {
		status = mux_run(&session);
		if (status >= 0) {
			if (session.tty)
				say_closed(session.host);
			return status;
		}
	}
	argv[0] = name;
	execvp(name, argv);
	perror(name);
	return 255;
}
