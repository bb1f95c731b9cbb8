/* manual.h - the page drover(1), made from the table of commands. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include <stdio.h>

void manual_write(FILE *out);

#endif
