/* allow.c - see allow.h. */
#include "allow.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define NETWORKS_MOST 1000
#define MAPPED 96 /* bits in front of an IPv4 address */

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void set_ip4(unsigned char address[16], const struct in_addr *ip4)
{
	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), ip4, 4);
}

/* Digits alone: -1 where there is anything else. */
static int parse_bits(const char *text, int most)
{
	size_t length = strspn(text, "0123456789");
	long bits = strtol(text, NULL, 10);

	return length && length < 4 && !text[length] && bits <= most ? (int)bits : -1;
}

static bool parse_network(const char *text, struct allow_network *network)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct in_addr ip4;

	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, &ip4) == 1) {
		set_ip4(network->address, &ip4);
		network->bits = slash ? parse_bits(slash + 1, 32) : 32;
		if (network->bits >= 0)
			network->bits += MAPPED;
	} else if (inet_pton(AF_INET6, host, network->address) == 1) {
		network->bits = slash ? parse_bits(slash + 1, 128) : 128;
	} else {
		return false;
	}
	return network->bits >= 0;
}

int allow_parse(struct allow_list *list, const char *text, struct drover_error *err)
{
	static const char separators[] = ", \t\n";

	*list = (struct allow_list){ .items = calloc(NETWORKS_MOST, sizeof(*list->items)) };
	if (!list->items)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		size_t length = strcspn(text, separators);
		char word[INET6_ADDRSTRLEN + 8] = "";

		if (length < sizeof(word))
			memcpy(word, text, length);
		if (list->count == NETWORKS_MOST || !parse_network(word, &list->items[list->count])) {
			drover_error_set(err, DROVER_EINVALID,
					 list->count == NETWORKS_MOST
						 ? "allow_from: has more networks than are taken at \"%.*s\""
						 : "allow_from: \"%.*s\" is neither an address nor a network such as "
						   "10.0.0.0/8 or fd00::/8",
					 (int)(length < 60 ? length : 60), text);
			allow_dispose(list);
			return DROVER_EINVALID;
		}
		list->count++;
		text += length;
	}
	if (list->count)
		return 0;
	allow_dispose(list);
	return drover_error_set(err, DROVER_EINVALID,
				"allow_from: says who may connect; write addresses or networks: [10.0.0.0/8]");
}

void allow_dispose(struct allow_list *list)
{
	free(list->items);
	*list = (struct allow_list){ 0 };
}

static bool within(const struct allow_network *network, const unsigned char address[16])
{
	int whole = network->bits / 8, rest = network->bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	return !memcmp(network->address, address, (size_t)whole) &&
	       (!rest || (network->address[whole] & mask) == (address[whole] & mask));
}

bool allow_has(const struct allow_list *list, const struct sockaddr *peer)
{
	unsigned char address[16];

	if (!peer)
		return false;
	if (peer->sa_family == AF_INET)
		set_ip4(address, &((const struct sockaddr_in *)(const void *)peer)->sin_addr);
	else if (peer->sa_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, sizeof(address));
	else
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (within(&list->items[i], address))
			return true;
	return false;
}
