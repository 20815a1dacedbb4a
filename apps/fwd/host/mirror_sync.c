/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "apps/fwd/host/mirror_private.h"

#define SETTLE_MS        20u    /* an event follows its change within this */
#define ANSWER_MS        10000u /* a dump that says nothing for so long is broken off */
#define TRIGGER_MS       50u    /* what takes routes along often comes in groups */
#define PAUSE_MS         500u   /* between comparisons that events asked for */
#define EVENTS_AGAIN_MAX 256u   /* turns of events at the end of a dump; more, and an event may count as a difference */
#define CHUNKS_ONE_MAX   16u    /* datagrams of a dump in one turn: events come first */

static void
class_begin(struct fwd_mirror *mirror, enum fwd_rib_class class, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	sync->class = class;
	sync->step = FWD_SYNC_DUMP;
	sync->step_ms = now_ms;
	sync->seq++;
	fwd_rib_dump_begin(&mirror->rib, class);
	int err = fwd_nl_dump(mirror->dump_fd, class, sync->seq);
	if (err != 0)
		sync->step_ms = 0; /* no answer will come: broken off at the next turn */
}

static void
sync_begin(struct fwd_mirror *mirror, bool periodic, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	sync->periodic = periodic;
	sync->doubtful = false;
	sync->begin_ms = now_ms;
	sync->diff_cnt = 0;
	mirror->overrun = false;
	mirror->wanted_ms = 0;
	mirror->rib.want_dump = false;
	__atomic_store_n(&mirror->resync, false, __ATOMIC_RELAXED);
	class_begin(mirror, 0, now_ms);
}

/* What the dump had stays; what it had not is not judged. */
static void
sync_break_off(struct fwd_mirror *mirror, uint64_t now_ms)
{
	mirror->sync.step = FWD_SYNC_IDLE;
	mirror->stats.sync_failed_cnt++;
	mirror->last_sync_ms = now_ms;
	mirror->rib.want_dump = true;
	mirror->stats.healed_cnt += fwd_rib_dump_settle(&mirror->rib, mirror->sync.class);
}

static void
sync_end(struct fwd_mirror *mirror, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	sync->step = FWD_SYNC_IDLE;
	mirror->stats.sync_cnt++;
	mirror->stats.sync_ms = now_ms - sync->begin_ms;
	/* An event that the kernel dropped meanwhile, or one that it never sends, explains differences. */
	if (sync->periodic && !mirror->overrun && !mirror->rib.want_dump)
		mirror->stats.diff_cnt += sync->diff_cnt;
	else
		mirror->stats.healed_cnt += sync->diff_cnt;
	mirror->rib.want_dump |= sync->doubtful;
	mirror->last_sync_ms = now_ms;
	mirror->stats.policy_cnt = fwd_rib_policy_cnt(&mirror->rib);
}

static void
class_end(struct fwd_mirror *mirror, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	sync->diff_cnt += fwd_rib_dump_settle(&mirror->rib, sync->class);
	if (sync->class + 1 < FWD_RIB_CLASS_CNT)
		class_begin(mirror, sync->class + 1, now_ms);
	else
		sync_end(mirror, now_ms);
}

/* Everything of the class was read. What differs may yet be explained by an event that is on its way. */
static void
dump_done(struct fwd_mirror *mirror, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	for (unsigned i = 0; i < EVENTS_AGAIN_MAX && fwd_mirror_events(mirror); i++)
		continue;
	sync->doubtful |= fwd_rib_dump_end(&mirror->rib, sync->class) != 0;
	if (mirror->rib.table[sync->class].diff_cnt == 0) {
		class_end(mirror, now_ms);
		return;
	}
	sync->step = FWD_SYNC_SETTLE;
	sync->step_ms = now_ms;
}

/* A kernel without next-hop objects has none. Return: whether the dump can count as complete. */
static bool
is_empty_answer(const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	return mnl_nlmsg_get_payload_len(message) >= sizeof(*answer) &&
	       (answer->error == -EOPNOTSUPP || answer->error == -EAFNOSUPPORT);
}

/* Return: 1 the dump is complete, 0 it goes on, -EIO it failed. */
static int
dump_datagram(struct fwd_mirror *mirror, int bytes)
{
	const struct nlmsghdr *message = (const void *)mirror->buffer;
	for (; mnl_nlmsg_ok(message, bytes); message = mnl_nlmsg_next(message, &bytes)) {
		if (message->nlmsg_seq != mirror->sync.seq)
			continue; /* of a dump that was broken off */
		if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			mirror->rib.table[mirror->sync.class].disturbed = true;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return is_empty_answer(message) ? 1 : -EIO;
		fwd_mirror_message(mirror, message, FWD_RIB_DUMP);
	}
	return 0;
}

static void
dump_turn(struct fwd_mirror *mirror, uint64_t now_ms)
{
	struct fwd_sync *sync = &mirror->sync;
	for (unsigned i = 0; i < CHUNKS_ONE_MAX; i++) {
		int got = fwd_nl_receive(mirror->dump_fd, mirror->buffer, sizeof(mirror->buffer));
		if (got == -EAGAIN) {
			if (now_ms - sync->step_ms > ANSWER_MS)
				sync_break_off(mirror, now_ms);
			return;
		}
		int done = got < 0 ? got : dump_datagram(mirror, got);
		sync->step_ms = now_ms;
		if (done < 0)
			sync_break_off(mirror, now_ms);
		else if (done > 0)
			dump_done(mirror, now_ms);
		if (done != 0)
			return;
	}
}

static void
idle_turn(struct fwd_mirror *mirror, uint64_t now_ms)
{
	uint64_t since_ms = now_ms - mirror->last_sync_ms;
	if (mirror->rib.want_dump && mirror->wanted_ms == 0)
		mirror->wanted_ms = now_ms;
	if (mirror->overrun ||
	    (mirror->wanted_ms != 0 && now_ms - mirror->wanted_ms >= TRIGGER_MS && since_ms >= PAUSE_MS))
		sync_begin(mirror, false, now_ms);
	else if (__atomic_load_n(&mirror->resync, __ATOMIC_RELAXED) ||
	         (mirror->options.resync_ms != UINT32_MAX && since_ms >= mirror->options.resync_ms))
		sync_begin(mirror, mirror->stats.sync_cnt != 0, now_ms);
}

void
fwd_sync_turn(struct fwd_mirror *mirror, uint64_t now_ms)
{
	switch (mirror->sync.step) {
	case FWD_SYNC_IDLE:
		idle_turn(mirror, now_ms);
		return;
	case FWD_SYNC_DUMP:
		dump_turn(mirror, now_ms);
		return;
	case FWD_SYNC_SETTLE:
		if (now_ms - mirror->sync.step_ms >= SETTLE_MS)
			class_end(mirror, now_ms);
		return;
	}
}
