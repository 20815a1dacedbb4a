/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/irqbalance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/sysfs.h"
#include "host/errors/errors.h"
#include "host/machine/irqbalance_socket.h"

#define ANSWER_BYTES  65536u
#define SETUP_WAIT_NS UINT64_C(30000000000)
#define MESSAGE_BYTES 500u /* it reads that much, and wants room for no terminator */

static bool
is_number(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A process of that name, when no socket answers: 0, or its number. */
static unsigned long
process_of(const char *root)
{
	struct bh_sys_names names;
	unsigned long pid = 0;
	char comm[BH_SYS_NAME_BYTES];
	if (bh_sys_list(&names, root, "/proc") != 0)
		return 0;
	for (size_t i = 0; i < names.cnt && pid == 0; i++) {
		if (is_number(names.name[i]) &&
		    bh_sys_read(comm, sizeof(comm), root, "/proc/%s/comm", names.name[i]) == 0 &&
		    strcmp(comm, "irqbalance") == 0)
			pid = strtoul(names.name[i], NULL, 10);
	}
	bh_sys_names_free(&names);
	return pid;
}

static int
explain(const char *root, int err, struct bh_error *error)
{
	if (err == -ENOENT) {
		unsigned long pid = process_of(root);
		if (pid == 0)
			return bh_error_set(error, "E265", -ENOENT, "irqbalance does not run");
		return bh_error_set(
		        error, "E265", -EOPNOTSUPP,
		        "irqbalance runs (process %lu) and no socket of it can be reached: put "
		        "IRQBALANCE_BANNED_CPULIST=LIST into /etc/default/irqbalance and restart it, or stop it",
		        pid);
	}
	if (err == -EPERM || err == -EACCES)
		return bh_error_set(error, "E001", -EPERM, "irqbalance answers root only: run bulkhead with sudo");
	if (err == -ETIMEDOUT || err == -EAGAIN)
		return bh_error_set(
		        error, "E265", -ETIMEDOUT,
		        "irqbalance does not answer: it is in a turn, which takes up to its interval (10 s unless "
		        "set); try again then");
	if (err == -EPROTO)
		return bh_error_set(error, "E265", -EPROTO,
		                    "irqbalance's answer makes no sense: `systemctl restart irqbalance`, or stop it");
	return bh_error_set(error, "E265", err, "irqbalance cannot be asked: %s", strerror(-err));
}

/* "SLEEP 10 IRQ 5 LOAD 0 DIFF 0 CLASS 0 BANNED 00000000,0000000c": the mask stands at the end. */
static int
parse_setup(const char *answer, struct bh_cpus *out)
{
	static const char word[] = "BANNED ";
	const char *at = strstr(answer, word);
	if (strncmp(answer, "SLEEP ", 6) != 0 || at == NULL || at[-1] != ' ')
		return -EPROTO;
	return bh_cpus_parse_mask(at + sizeof(word) - 1, out) == 0 ? 0 : -EPROTO;
}

/*
 * Whoever asks for `setup` and hangs up before the answer ends irqbalance: it answers into a closed socket, and SIGPIPE kills
 * it (1.9.2). So it is asked only when it answers, and once asked, waited for: a turn that begins between the two messages
 * takes its interval.
 */
static int
ask_setup(const char *root, uint64_t deadline_ns, struct bh_cpus *out)
{
	char *answer = malloc(ANSWER_BYTES);
	*out = (struct bh_cpus){0};
	if (answer == NULL)
		return -ENOMEM;
	/* A word that it does not know: it hangs up, and so tells that it is not in a turn. */
	int err = bh_irqbalance_talk(root, "awake?", deadline_ns, answer, ANSWER_BYTES);
	if (err == 0)
		err = bh_irqbalance_talk(root, "setup", BH_MAX(deadline_ns, bh_irqbalance_now_ns() + SETUP_WAIT_NS),
		                         answer, ANSWER_BYTES);
	/* It hangs up without a word on whom it does not believe to be root. */
	if (err == 0 && answer[0] == '\0')
		err = geteuid() == 0 ? -EPROTO : -EPERM;
	if (err == 0)
		err = parse_setup(answer, out);
	if (err != 0)
		*out = (struct bh_cpus){0};
	free(answer);
	return err;
}

int
bh_irqbalance_banned_within(const char *root, uint64_t wait_ns, struct bh_cpus *out, struct bh_error *error)
{
	int err = ask_setup(root, bh_irqbalance_now_ns() + wait_ns, out);
	return err == 0 ? 0 : explain(root, err, error);
}

int
bh_irqbalance_banned(const char *root, struct bh_cpus *out, struct bh_error *error)
{
	return bh_irqbalance_banned_within(root, BH_IRQBALANCE_WAIT_NS, out, error);
}

int
bh_irqbalance_ban(const char *root, const struct bh_cpus *cpus, struct bh_error *error)
{
	const uint64_t deadline_ns = bh_irqbalance_now_ns() + BH_IRQBALANCE_WAIT_NS;
	char list[BH_CPUS_TEXT_BYTES], message[MESSAGE_BYTES], nothing[1];
	struct bh_cpus shown;
	/* An empty list ends irqbalance 1.9.2 (strtok gives it NULL); "NULL" is its word for none of ours. */
	int bytes = snprintf(message, sizeof(message), "settings cpus %s",
	                     bh_cpus_empty(cpus) ? "NULL" : bh_cpus_list(cpus, list));
	if (bytes >= (int)sizeof(message))
		return bh_error_set(error, "E265", -E2BIG,
		                    "irqbalance takes lists of up to %zu characters, and %s is longer: put it into "
		                    "IRQBALANCE_BANNED_CPULIST in /etc/default/irqbalance",
		                    sizeof(message) - sizeof("settings cpus "), list);
	int err = bh_irqbalance_talk(root, message, deadline_ns, nothing, sizeof(nothing));
	if (err == -ETIMEDOUT)
		return 1; /* sent: it lies in the queue */
	if (err == 0)
		err = ask_setup(root, deadline_ns, &shown);
	if (err == 0)
		return bh_cpus_equal(&shown, cpus) ? 0 : 1;
	return err == -ETIMEDOUT ? 1 : explain(root, err, error);
}
