/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's forwarding against the cell: the comparison from its start to its report. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/net_cards.h"
#include "host/compare/program.h"
#include "host/errors/errors.h"

/* On cards: the kinds that a file was given for. */
static uint32_t
plan_cases(const struct bh_session *session, struct bh_case *out)
{
	static const uint32_t size[] = {64, 1518};
	const struct bh_net *net = session->net;
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < (session->options->quick ? 1u : 2u); i++) {
		for (int route = 0; route < 2; route++) {
			if (net->lane.cards && net->file[route] == NULL)
				continue;
			struct bh_case *which = &out[cnt++];
			*which = (struct bh_case){
			        .pattern = route ? "route" : "connect", .block_bytes = size[i], .depth = 1};
			snprintf(which->name, sizeof(which->name), "%s-%u", which->pattern, size[i]);
		}
	}
	return cnt;
}

static int
begin(struct bh_session *session, struct bh_error *error)
{
	struct bh_why why = {0};
	if (session->net->lane.cards)
		return bh_net_cards_begin(session, error);
	int err = bh_net_lane_make(&session->net->lane, &why);
	return err == 0 ? 0 : bh_error_set(error, "E380", err, "cannot make the ports of the comparison: %s", why.text);
}

static int
give_back(struct bh_session *session, struct bh_error *error)
{
	if (session->net->lane.cards)
		return bh_net_cards_give_back(session->net, error);
	bh_net_lane_end();
	return 0;
}

static int
rounds(struct bh_session *session, struct bh_error *error)
{
	int err = bh_net_probe(session);
	if (err == 0)
		err = bh_tune(session);
	for (uint32_t round = 1; round <= session->round_cnt && err == 0; round++) {
		err = bh_net_cards_to_linux(session, error);
		if (err == 0)
			err = bh_round_linux(session, round);
		if (err == 0)
			err = bh_net_cards_to_cell(session, error);
		if (err == 0)
			err = bh_round_cell(session, round);
	}
	return err;
}

static int
measure_all(struct bh_session *session, struct bh_error *error)
{
	struct bh_error later = {0};
	int err = begin(session, error);
	if (err == 0)
		err = rounds(session, error);
	bool stopped = err == -EINTR || bh_program_stopped();
	int back = give_back(session, &later);
	session->given_back = back == 0;
	if (stopped) {
		session->interrupted = true;
		err = bh_error_set(error, "E185", -EINTR,
		                   "stopped by a signal: %s, and the report holds what was measured",
		                   session->net->lane.cards ? "the cards were given back" : "the namespaces are gone");
	}
	if (err == -ENOMEM && error->text[0] == '\0')
		err = bh_error_set(error, "E188", err, "no memory for the comparison's figures");
	if (back != 0 && (err == 0 || stopped)) {
		*error = later;
		err = back;
	}
	return err;
}

static void
note_ports(struct bh_session *session)
{
	const struct bh_net *net = session->net;
	uint32_t cpus_min = net->lane.cards ? BH_NET_CPUS_CARDS : BH_NET_CPUS_VETH;
	if (session->machine.cpu_cnt < cpus_min)
		bh_session_note(
		        session, "%u CPUs: %s. The figures say nothing; %u CPUs are needed", session->machine.cpu_cnt,
		        net->lane.cards
		                ? "Linux and the cards' interrupts share them with cells that poll"
		                : "the threads that make AF_XDP's wake-up calls share them with cells that poll, and "
		                  "wait for their turn",
		        cpus_min);
	if (net->offered_pps != 0)
		bh_session_note(session, "%s has rate = %lu: no figure can be above it", net->generator,
		                net->offered_pps);
	if (net->lane.cards)
		bh_session_note(session, "the generator is a cell on one CPU: what it can send and take limits both "
		                         "sides");
	else
		bh_session_note(session, "veth pairs are memory of Linux's, and the generator is a cell on one CPU: "
		                         "what it can send and take limits both sides");
}

static void
name_ports(struct bh_session *session)
{
	const struct bh_net *net = session->net;
	struct bh_target *target = &session->target;
	snprintf(target->address, sizeof(target->address), "ra, rb");
	if (net->lane.cards)
		snprintf(target->model, sizeof(target->model), "cards %s and %s", net->card[0].address,
		         net->card[1].address);
	else
		snprintf(target->model, sizeof(target->model), "veth pairs");
	target->group = -1;
}

static int
prepare(struct bh_session *session, struct bh_error *error)
{
	struct bh_net *net = session->net;
	int err = bh_session_settings(session, error);
	if (err == 0 && session->machine.cpu_cnt < 2)
		err = bh_error_set(error, "E381", -EINVAL, "the comparison needs two CPUs: one for the generator");
	if (err == 0)
		err = bh_net_cards_check(net, error);
	if (err == 0)
		err = bh_session_report_dir(session, error);
	if (err != 0)
		return err;
	net->lane.cpu = session->cpu;
	if (!net->lane.cards)
		net->generator_cpu = session->cpu == 0 ? 1 : 0;
	net->latency_pps = session->options->latency_pps != 0 ? session->options->latency_pps
	                   : net->lane.cards && session->machine.kind == BH_MACHINE_EMULATOR
	                           ? BH_NET_LATENCY_EMULATED_PPS
	                           : BH_NET_LATENCY_PPS;
	session->linux_holds = !net->lane.cards;
	session->case_cnt = plan_cases(session, session->cases);
	name_ports(session);
	note_ports(session);
	return 0;
}

static int
run_session(struct bh_session *session, FILE *table, struct bh_compare_outcome *out, struct bh_error *error)
{
	struct bh_error broken = {0};
	double start_s = bh_session_now_s();
	int err = prepare(session, error);
	if (err != 0)
		return err;
	err = measure_all(session, error);
	if (err != 0)
		session->failure = *error;
	session->seconds = bh_session_now_s() - start_s;
	out->interrupted = session->interrupted;
	if (session->run_cnt == 0)
		return err;
	int report_err = bh_session_report(session, table, out, &broken);
	if (err == 0 && report_err != 0)
		*error = broken;
	return err != 0 ? err : report_err;
}

static int
compare(const struct bh_compare_options *options, struct bh_net *net, FILE *table, struct bh_compare_outcome *out,
        struct bh_error *error)
{
	struct bh_session *session = bh_session_new(&bh_subject_net, options);
	if (session == NULL)
		return bh_error_set(error, "E188", -ENOMEM, "no memory for the comparison");
	session->net = net;
	int err = bh_program_catch_signals();
	if (err == 0) {
		err = run_session(session, table, out, error);
		bh_program_release_signals();
	}
	bh_session_free(session);
	return err;
}

int
bh_compare_net(const struct bh_compare_options *options, FILE *table, struct bh_compare_outcome *out,
               struct bh_error *error)
{
	struct bh_net net = {0};
	struct bh_compare_options own = *options;
	memset(out, 0, sizeof(*out));
	int err = options->file_cnt > 0 ? bh_net_files_read(options, &net, &own.cpu, error) : 0;
	if (err == 0 && geteuid() != 0)
		err = bh_error_set(error, "E001", -EPERM,
		                   "compare needs root: it makes namespaces and starts cells; run it with sudo");
	if (err != 0)
		return err;
	net.lane.tuned = json_object();
	err = compare(&own, &net, table, out, error);
	json_decref(net.lane.tuned);
	return err;
}
