/*
 * replay.c - a main for a fuzz target without libFuzzer: runs it on each file that is named, and says how many it
 * took.
 *
 *	TARGET FILE…		3 of 4 accepted
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern size_t fuzz_accepted;

/* The file's bytes in memory of exactly that size, so that reading beyond it is seen. */
static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	uint8_t *data;
	long length;

	if (!file || fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0) {
		perror(path);
		exit(1);
	}
	rewind(file);
	*size = (size_t)length;
	data = malloc(*size ? *size : 1);
	if (!data || fread(data, 1, *size, file) != *size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	return data;
}

int main(int argc, char **argv)
{
	int taken = 0;

	for (int i = 1; i < argc; i++) {
		size_t size, before = fuzz_accepted;
		uint8_t *data = read_file(argv[i], &size);

		LLVMFuzzerTestOneInput(data, size);
		free(data);
		taken += fuzz_accepted > before;
	}
	printf("%d of %d accepted\n", taken, argc - 1);
	return 0;
}
