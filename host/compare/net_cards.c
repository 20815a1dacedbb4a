/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the cards. Every hand-over goes through bind.h, whose journal knows each card's driver; what this adds is which of
 * them had vfio-pci before, and the way of Linux's interfaces into the lane's namespace and out of it.
 */
#include "host/compare/net_cards.h"

#include <errno.h>
#include <glob.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/owner.h"
#include "host/compare/program.h"
#include "host/compare/text.h"
#include "host/device/bind.h"
#include "host/device/file.h"
#include "host/errors/errors.h"

#define FOLDER      "/run/bulkhead/compare"
#define JOURNAL     FOLDER "/net"
#define JOURNAL_MAX 1024u
#define VFIO        "vfio-pci"

static int
lane_error(struct bh_error *error, int err, const struct bh_why *why)
{
	return bh_error_set(error, "E380", err, "cannot make the ports of the comparison: %s", why->text);
}

/* A virtio card's interface is below the device behind it: virtioN/net. */
static bool
find_interface(struct bh_net_card *card)
{
	static const char *const below[] = {"net/*", "virtio*/net/*"};
	char pattern[128], path[300];
	bool found = false;
	for (size_t i = 0; i < BH_ARRAY_CNT(below) && !found; i++) {
		glob_t names;
		snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/%s", card->address, below[i]);
		if (glob(pattern, 0, NULL, &names) != 0)
			continue;
		bh_text_path(path, sizeof(path), "%s", names.gl_pathv[0]);
		globfree(&names);
		const char *slash = strrchr(path, '/');
		found = slash != NULL;
		snprintf(card->interface, sizeof(card->interface), "%.31s", found ? slash + 1 : "");
	}
	if (!found)
		return false;
	(void)bh_text_add(path, sizeof(path), "/address");
	return bh_text_file(card->mac, sizeof(card->mac), path) == 0;
}

static bool
is_up(const struct bh_net_card *card)
{
	char path[128], text[32];
	bh_text_path(path, sizeof(path), "/sys/class/net/%s/flags", card->interface);
	return bh_text_file(text, sizeof(text), path) == 0 && (strtoul(text, NULL, 16) & IFF_UP) != 0;
}

static int
refuse(struct bh_error *error, const struct bh_net_card *card, const char *why)
{
	return bh_error_set(error, "E384", -EPERM, "%s ([port %s] of %s): %s; nothing was changed", card->address,
	                    card->port, card->path, why);
}

/* What bind refuses and what it only notes: an address would not come back with the driver. */
static int
guard_linux(const struct bh_net_card *card, struct bh_error *error)
{
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX];
	char why[300];
	int cnt = bh_bind_check("", card->address, finding, error);
	if (cnt < 0)
		return cnt;
	if (cnt > 0) {
		snprintf(why, sizeof(why), "in use: %s", finding[0].evidence);
		return refuse(error, card, why);
	}
	cnt = bh_bind_notes("", card->address, finding, error);
	for (int i = 0; i < cnt; i++) {
		if (strcmp(finding[i].reason, "addresses") != 0)
			continue;
		snprintf(why, sizeof(why), "in use: %.200s; ip addr flush dev %s", finding[i].evidence,
		         card->interface);
		return refuse(error, card, why);
	}
	if (cnt >= 0 && is_up(card)) {
		snprintf(why, sizeof(why), "its interface is up; take it out of use: ip link set %s down",
		         card->interface);
		return refuse(error, card, why);
	}
	return cnt < 0 ? cnt : 0;
}

/* Whose it is now, and that it may be taken. Changes nothing. */
static int
look(struct bh_net_card *card, struct bh_error *error)
{
	struct bh_pci_device device;
	int err = bh_pci_read("", card->address, &device, error);
	if (err != 0)
		return err;
	card->group = device.group;
	if (device.class >> 16 != 2)
		return refuse(error, card, "it is no network card");
	if (device.group < 0)
		return refuse(error, card,
		              "it has no IOMMU group, so that no cell can have it (bulkhead explain E104)");
	card->taken_before = strcmp(device.driver, VFIO) == 0;
	if (card->taken_before)
		return bh_bind_taken("", card->address, card->driver) && card->driver[0] != '\0'
		               ? 0
		               : refuse(error, card,
		                        "vfio-pci has it, and bulkhead does not know its driver of Linux; bind it to "
		                        "that "
		                        "first");
	memcpy(card->driver, device.driver, sizeof(card->driver));
	if (card->driver[0] == '\0' || !find_interface(card))
		return refuse(error, card, "no driver of Linux makes an interface of it; load its driver first");
	return guard_linux(card, error);
}

/* One line for each card: its address, and who had it. */
static int
write_journal(const struct bh_net *net, struct bh_error *error)
{
	char text[JOURNAL_MAX] = "";
	for (uint32_t i = 0; i < BH_NET_CARD_CNT; i++)
		(void)bh_text_add(text, sizeof(text), "%s %s\n", net->card[i].address,
		                  net->card[i].taken_before ? "vfio" : "linux");
	int err = bh_file_folders(FOLDER, 0700);
	if (err == 0)
		err = bh_file_replace(JOURNAL, text, 0600);
	return err == 0 ? 0
	                : bh_error_set(error, "E186", -EIO, "cannot keep a journal of changes in " FOLDER ": %s",
	                               strerror(-err));
}

/* Return: 0; -ENOENT there is none; -EBADMSG. */
static int
read_journal(struct bh_net *net)
{
	char *text, *line, *save = NULL;
	size_t bytes;
	uint32_t cnt = 0;
	int err = bh_text_read_all(JOURNAL, JOURNAL_MAX, &text, &bytes);
	if (err != 0)
		return err;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char address[64], who[16];
		if (cnt == BH_NET_CARD_CNT || sscanf(line, "%63s %15s", address, who) != 2 ||
		    bh_pci_address_parse(address, net->card[cnt].address) != 0) {
			err = -EBADMSG;
			break;
		}
		net->card[cnt].taken_before = strcmp(who, "vfio") == 0;
		cnt++;
	}
	free(text);
	for (uint32_t i = 0; i < 2; i++) {
		memcpy(net->lane.address[i], net->card[i].address, sizeof(net->lane.address[i]));
		net->lane.inside[i] = false;
	}
	return err != 0 ? err : cnt == BH_NET_CARD_CNT ? 0 : -EBADMSG;
}

/* Whether a namespace that was left has a card's interface, under whichever name: then it comes out before the driver lets go. */
static void
find_inside(struct bh_net_lane *lane)
{
	struct bh_why why;
	for (uint32_t i = 0; i < 2; i++) {
		char name[32];
		int err = bh_net_sh_line(
		        &why, name, sizeof(name),
		        "ip netns exec " BH_NET_DUT " sh -c 'ls -d /sys/bus/pci/devices/%s/net/* "
		        "/sys/bus/pci/devices/%s/virtio*/net/* 2>/dev/null' | head -n 1 | sed 's/.*\\///'",
		        lane->address[i], lane->address[i]);
		if (err != 0 || name[0] == '\0')
			continue;
		lane->inside[i] = true;
		if (strcmp(name, "ra") != 0 && strcmp(name, "rb") != 0)
			snprintf(lane->interface[i], sizeof(lane->interface[i]), "%s", name);
	}
}

/* Half of it may be done already: each step looks at what is there. */
static int
to_linux(struct bh_net *net, uint32_t place, struct bh_error *error)
{
	struct bh_net_card *card = &net->card[place];
	int err = bh_unbind("", card->address, error);
	if (err == 0 && !find_interface(card))
		err = bh_error_set(error, "E380", -ENODEV,
		                   "%s is with %s again, and its interface does not come; see 'dmesg'", card->address,
		                   card->driver);
	return err;
}

static int
enter(struct bh_net *net, uint32_t place, struct bh_error *error)
{
	struct bh_why why = {0};
	if (net->lane.inside[place])
		return 0;
	int err = to_linux(net, place, error);
	if (err != 0)
		return err;
	memcpy(net->lane.interface[place], net->card[place].interface, sizeof(net->lane.interface[place]));
	err = bh_net_lane_enter(&net->lane, place, &why);
	return err == 0 ? 0 : lane_error(error, err, &why);
}

static int
bind_cards(struct bh_net *net, uint32_t first, struct bh_error *error)
{
	const char *address[2] = {net->card[first].address, net->card[first + 1].address};
	struct bh_bind_outcome outcome[2];
	const struct bh_bind_request request = {.root = "", .address = address, .cnt = 2};
	return bh_bind_all(&request, outcome, error);
}

int
bh_net_cards_to_linux(struct bh_session *session, struct bh_error *error)
{
	struct bh_net *net = session->net;
	struct bh_why why = {0};
	if (!net->lane.cards || session->linux_holds)
		return 0;
	int err = enter(net, BH_NET_CARD_A, error);
	if (err == 0)
		err = enter(net, BH_NET_CARD_B, error);
	if (err != 0)
		return err;
	session->linux_holds = true;
	err = bh_net_lane_carrier(&why);
	return err == 0 ? 0 : lane_error(error, err, &why);
}

static int
leave(struct bh_net *net, struct bh_error *error)
{
	struct bh_why why = {0};
	int first_err = 0;
	for (uint32_t i = 0; i < 2; i++) {
		int err = bh_net_lane_leave(&net->lane, i, &why);
		if (err != 0 && first_err == 0)
			first_err = lane_error(error, err, &why);
	}
	return first_err;
}

int
bh_net_cards_to_cell(struct bh_session *session, struct bh_error *error)
{
	struct bh_net *net = session->net;
	if (!net->lane.cards || !session->linux_holds)
		return 0;
	session->linux_holds = false;
	int err = leave(net, error);
	if (err == 0)
		err = bind_cards(net, BH_NET_CARD_A, error);
	if (err != 0)
		return err;
	bh_owner_load_type1(session);
	session->target.group = net->card[BH_NET_CARD_A].group;
	bh_owner_look_at_iommu(session);
	return 0;
}

int
bh_net_cards_check(struct bh_net *net, struct bh_error *error)
{
	int err = net->lane.cards ? bh_compare_net_restore(error) : 0;
	for (uint32_t i = 0; i < BH_NET_CARD_CNT && err == 0 && net->lane.cards; i++)
		err = look(&net->card[i], error);
	return err;
}

/* The generator's cards show their addresses while Linux has them. */
static int
take_generator(struct bh_session *session, struct bh_error *error)
{
	struct bh_net *net = session->net;
	int err = 0;
	for (uint32_t i = BH_NET_CARD_TX; i <= BH_NET_CARD_RX && err == 0; i++) {
		if (net->card[i].taken_before)
			err = to_linux(net, i, error);
	}
	if (err == 0)
		err = bind_cards(net, BH_NET_CARD_TX, error);
	if (err == 0)
		bh_owner_load_type1(session);
	return err;
}

int
bh_net_cards_begin(struct bh_session *session, struct bh_error *error)
{
	struct bh_net *net = session->net;
	struct bh_why why = {0};
	int err = write_journal(net, error);
	if (err != 0)
		return err;
	net->begun = true;
	err = bh_net_lane_make(&net->lane, &why);
	if (err != 0)
		return lane_error(error, err, &why);
	err = take_generator(session, error);
	if (err == 0)
		err = bh_net_cards_to_linux(session, error);
	memcpy(net->lane.near_mac, net->card[BH_NET_CARD_A].mac, sizeof(net->lane.near_mac));
	memcpy(net->lane.far_mac, net->card[BH_NET_CARD_RX].mac, sizeof(net->lane.far_mac));
	return err;
}

/* Through vfio-pci, so that the driver makes the interface anew: no setting of ours is left on it. */
static int
back(const struct bh_net_card *card, struct bh_error *error)
{
	int err = bh_bind("", card->address, NULL, error);
	return err != 0 || card->taken_before ? err : bh_unbind("", card->address, error);
}

int
bh_net_cards_give_back(struct bh_net *net, struct bh_error *error)
{
	struct bh_error other = {0};
	if (!net->begun)
		return 0;
	int first_err = leave(net, error);
	bh_net_lane_end();
	for (uint32_t i = 0; i < BH_NET_CARD_CNT; i++) {
		int err = back(&net->card[i], &other);
		if (err == 0 || first_err != 0)
			continue;
		first_err = err;
		*error = other;
	}
	if (first_err == 0 && bh_file_remove(JOURNAL) == 0)
		net->begun = false;
	return first_err;
}

int
bh_compare_net_restore(struct bh_error *error)
{
	struct bh_net net = {.lane = {.cards = true}, .begun = true};
	int err = read_journal(&net);
	if (err == -ENOENT)
		return 0;
	if (err != 0)
		return bh_error_set(error, "E187", -EIO,
		                    "the journal " JOURNAL " cannot be read (%s); give its cards back with `bulkhead "
		                    "unbind ADDRESS`, then remove it",
		                    strerror(-err));
	find_inside(&net.lane);
	return bh_net_cards_give_back(&net, error);
}
