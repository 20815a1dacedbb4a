/* SPDX-License-Identifier: Apache-2.0 */
/* The fault script's language: docs/softdev-nvme.md is its manual. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/spec/nvme.h>

#include "devices/nvme/fault.h"
#include "devices/nvme/service.h"

#define LINE_BYTES_MAX 512u
#define WORDS_MAX      64
#define TIME_NS_MAX    UINT64_C(1000000000000000) /* eleven days */

struct name {
	const char *name;
	uint32_t value;
};

static const struct name actions[] = {
        {"delay", NVME_FAULT_DELAY},
        {"lose", NVME_FAULT_LOSE},
        {"hang", NVME_FAULT_HANG},
        {"duplicate", NVME_FAULT_DUPLICATE},
        {"reorder", NVME_FAULT_REORDER},
        {"wrong-id", NVME_FAULT_WRONG_ID},
        {"stray", NVME_FAULT_STRAY},
        {"wrong-phase", NVME_FAULT_WRONG_PHASE},
        {"wrong-sq", NVME_FAULT_WRONG_SQ},
        {"wrong-head", NVME_FAULT_WRONG_HEAD},
        {"old-head", NVME_FAULT_OLD_HEAD},
        {"status", NVME_FAULT_STATUS},
        {"dma-outside", NVME_FAULT_DMA_OUTSIDE},
        {"flip", NVME_FAULT_FLIP},
        {"tear", NVME_FAULT_TEAR},
        {"drop-write", NVME_FAULT_DROP_WRITE},
        {"misdirect", NVME_FAULT_MISDIRECT},
        {"fatal", NVME_FAULT_FATAL},
        {"remove", NVME_FAULT_REMOVE},
        {"stuck-ready", NVME_FAULT_STUCK_READY},
        {"stuck-enabled", NVME_FAULT_STUCK_ENABLED},
        {"event", NVME_FAULT_EVENT},
};
_Static_assert(sizeof(actions) / sizeof(actions[0]) == NVME_FAULT_ACTION_CNT, "each action has a word");

static const struct name ops[] = {
        {"any", NVME_FAULT_OP_ANY},
        {"io", NVME_FAULT_OP_ANY_IO},
        {"admin", NVME_FAULT_OP_ANY_ADM},
        {"read", NVME_NVM_READ},
        {"write", NVME_NVM_WRITE},
        {"flush", NVME_NVM_FLUSH},
        {"compare", NVME_NVM_COMPARE},
        {"write-zeroes", NVME_NVM_WRITE_ZEROES},
        {"dsm", NVME_NVM_DSM},
        {"identify", NVME_FAULT_OP_ADMIN | NVME_ADMIN_IDENTIFY},
        {"create-sq", NVME_FAULT_OP_ADMIN | NVME_ADMIN_CREATE_SQ},
        {"create-cq", NVME_FAULT_OP_ADMIN | NVME_ADMIN_CREATE_CQ},
        {"delete-sq", NVME_FAULT_OP_ADMIN | NVME_ADMIN_DELETE_SQ},
        {"delete-cq", NVME_FAULT_OP_ADMIN | NVME_ADMIN_DELETE_CQ},
        {"get-log", NVME_FAULT_OP_ADMIN | NVME_ADMIN_GET_LOG_PAGE},
        {"set-features", NVME_FAULT_OP_ADMIN | NVME_ADMIN_SET_FEATURES},
        {"get-features", NVME_FAULT_OP_ADMIN | NVME_ADMIN_GET_FEATURES},
        {"abort", NVME_FAULT_OP_ADMIN | NVME_ADMIN_ABORT},
        {"async-event", NVME_FAULT_OP_ADMIN | NVME_ADMIN_ASYNC_EVENT},
};

static const struct name statuses[] = {
        {"invalid-field", NVME_SC_INVALID_FIELD},
        {"data-transfer", NVME_SC_DATA_TRANSFER_ERROR},
        {"internal", NVME_SC_INTERNAL_ERROR},
        {"abort-requested", NVME_SC_ABORT_REQUESTED},
        {"namespace-not-ready", NVME_SC_NAMESPACE_NOT_READY},
        {"lba-out-of-range", NVME_SC_LBA_OUT_OF_RANGE},
        {"capacity-exceeded", NVME_SC_CAPACITY_EXCEEDED},
        {"write-protected", NVME_SC_WRITE_PROTECTED},
        {"write-fault", NVME_SC_WRITE_FAULT},
        {"unrecovered-read", NVME_SC_UNRECOVERED_READ},
        {"guard-check", NVME_SC_GUARD_CHECK},
        {"compare-failure", NVME_SC_COMPARE_FAILURE},
        {"access-denied", NVME_SC_ACCESS_DENIED},
};

#define EVENT(type, info, page) ((uint32_t)(type) | (uint32_t)(info) << 8 | (uint32_t)(page) << 16)
static const struct name events[] = {
        {"persistent-error", EVENT(NVME_AER_ERROR, NVME_AER_PERSISTENT_INTERNAL, NVME_LOG_ERROR)},
        {"transient-error", EVENT(NVME_AER_ERROR, NVME_AER_TRANSIENT_INTERNAL, NVME_LOG_ERROR)},
        {"reliability", EVENT(NVME_AER_HEALTH, NVME_AER_RELIABILITY, NVME_LOG_HEALTH)},
        {"temperature", EVENT(NVME_AER_HEALTH, NVME_AER_TEMPERATURE, NVME_LOG_HEALTH)},
        {"spare", EVENT(NVME_AER_HEALTH, NVME_AER_SPARE, NVME_LOG_HEALTH)},
        {"ns-changed", EVENT(NVME_AER_NOTICE, NVME_AER_NS_ATTR_CHANGED, NVME_LOG_CHANGED_NS)},
};

/* One line while it is read. */
struct parse {
	char *word[WORDS_MAX];
	int word_cnt, at;
	struct nvme_fault_rule *rule;
	bool has_action, once, repeated, probable;
	const char *file;
	uint32_t line;
	char *error;
	size_t error_bytes;
};

BH_PRINTF(2, 3) static int fail(const struct parse *p, const char *format, ...)
{
	int used = snprintf(p->error, p->error_bytes, "%s:%u: ", p->file, p->line);
	va_list args;

	va_start(args, format);
	if (used >= 0 && (size_t)used < p->error_bytes)
		vsnprintf(p->error + used, p->error_bytes - (size_t)used, format, args);
	va_end(args);
	return -BH_EINVAL;
}

/* The names of a table, for an error message. */
static const char *
list_of(const struct name *names, size_t cnt, char *out, size_t out_bytes)
{
	size_t used = 0;
	for (size_t i = 0; i < cnt && used < out_bytes; i++)
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "", names[i].name);
	return out;
}

static const struct name *
find(const struct name *names, size_t cnt, const char *word)
{
	for (size_t i = 0; i < cnt; i++) {
		if (strcmp(names[i].name, word) == 0)
			return &names[i];
	}
	return NULL;
}

static bool
number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	if (*text < '0' || *text > '9' || strlen(text) > 18)
		return false;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	*out = strtoull(text, &end, hex ? 16 : 10);
	return *end == '\0' && *out <= max;
}

static const char *
peek(const struct parse *p)
{
	return p->at < p->word_cnt ? p->word[p->at] : NULL;
}

/* The next word as a number min .. max. */
static int
want_number(struct parse *p, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *word = peek(p);
	if (!word)
		return fail(p, "'%s' needs a number", what);
	if (!number(word, max, out) || *out < min)
		return fail(p, "'%s %s': a number from %llu to %llu was meant", what, word, (unsigned long long)min,
		            (unsigned long long)max);
	p->at++;
	return 0;
}

static int
want_time(struct parse *p, const char *what, uint64_t *out_ns)
{
	const char *word = peek(p);
	if (!word)
		return fail(p, "'%s' needs a time, such as 5ms", what);
	if (nvme_time_parse(word, TIME_NS_MAX, out_ns) != 0)
		return fail(p, "'%s %s': a time was meant: digits with ns, us, ms or s, such as 5ms", what, word);
	p->at++;
	return 0;
}

/* "5ms" or "1ms..5ms"; "17" or "17..99". */
static int
want_range(struct parse *p, const char *what, bool times, uint64_t *out_min, uint64_t *out_max)
{
	char *word = p->at < p->word_cnt ? p->word[p->at++] : NULL;
	char *dots = word ? strstr(word, "..") : NULL;

	if (!word)
		return fail(p, "'%s' needs a %s or a range A..B", what, times ? "time" : "number");
	if (dots) {
		*dots = '\0';
		dots += 2;
	}
	const char *high = dots ? dots : word;
	bool ok = times ? nvme_time_parse(word, TIME_NS_MAX, out_min) == 0 &&
	                          nvme_time_parse(high, TIME_NS_MAX, out_max) == 0
	                : number(word, UINT64_MAX, out_min) && number(high, UINT64_MAX, out_max);
	if (!ok || *out_min > *out_max)
		return fail(p, "'%s %s%s%s': a %s or a range A..B with A not above B was meant", what, word,
		            dots ? ".." : "", dots ? dots : "", times ? "time such as 5ms" : "number");
	return 0;
}

/* after, from: "N ios" or a time. */
static int
parse_start(struct parse *p, const char *what)
{
	uint64_t count;
	const char *unit = p->at + 1 < p->word_cnt ? p->word[p->at + 1] : "";

	if (strcmp(unit, "ios") != 0)
		return want_time(p, what, &p->rule->from_ns);
	int err = want_number(p, what, 1, UINT64_MAX / 2, &count);
	if (err)
		return err;
	p->at++;
	p->rule->after_ios = count;
	return 0;
}

static int
parse_probability(struct parse *p)
{
	const char *word = peek(p);
	char *end = NULL;
	double value = word && ((*word >= '0' && *word <= '9') || *word == '.') ? strtod(word, &end) : -1;

	if (!end || *end || value < 0 || value > 1)
		return fail(p, "'p %s': a probability from 0 to 1 was meant", word ? word : "");
	p->at++;
	p->probable = true;
	p->rule->probability = value;
	return 0;
}

static int
parse_op(struct parse *p)
{
	char list[400];
	uint64_t opcode;
	const char *word = peek(p);
	const struct name *op = word ? find(ops, BH_ARRAY_CNT(ops), word) : NULL;

	if (op)
		p->rule->op = op->value;
	else if (word && number(word, 0xff, &opcode))
		p->rule->op = (uint32_t)opcode;
	else
		return fail(p, "'op %s': an I/O opcode (0 to 0xff) or one of these was meant: %s", word ? word : "",
		            list_of(ops, BH_ARRAY_CNT(ops), list, sizeof(list)));
	p->at++;
	return 0;
}

/* A number into a 32-bit field. */
static int
parse_small(struct parse *p, const char *what, uint64_t min, uint32_t *out)
{
	uint64_t value;
	int err = want_number(p, what, min, 0xffff, &value);
	if (!err)
		*out = (uint32_t)value;
	return err;
}

/* Return: 1 a condition was read; 0 the word is none; negative: an error. */
static int
parse_condition(struct parse *p, const char *word)
{
	struct nvme_fault_rule *rule = p->rule;
	int err;

	if (strcmp(word, "after") == 0 || strcmp(word, "from") == 0) {
		p->once |= word[0] == 'a';
		err = parse_start(p, word);
	} else if (strcmp(word, "at") == 0) {
		p->once = true;
		err = want_time(p, word, &rule->from_ns);
	} else if (strcmp(word, "until") == 0) {
		err = want_time(p, word, &rule->until_ns);
	} else if (strcmp(word, "every") == 0) {
		p->repeated = true;
		err = want_number(p, word, 1, UINT64_MAX, &rule->every);
	} else if (strcmp(word, "nth") == 0) {
		err = want_number(p, word, 1, UINT64_MAX, &rule->nth);
	} else if (strcmp(word, "times") == 0) {
		p->repeated = true;
		err = want_number(p, word, 1, UINT64_MAX - 1, &rule->times);
	} else if (strcmp(word, "p") == 0) {
		err = parse_probability(p);
	} else if (strcmp(word, "op") == 0) {
		err = parse_op(p);
	} else if (strcmp(word, "queue") == 0) {
		err = parse_small(p, word, 0, &rule->queue);
		rule->op = rule->queue == 0 && rule->op == NVME_FAULT_OP_ANY_IO ? NVME_FAULT_OP_ANY_ADM : rule->op;
	} else if (strcmp(word, "ns") == 0) {
		err = parse_small(p, word, 1, &rule->nsid);
	} else if (strcmp(word, "lba") == 0) {
		err = want_range(p, word, false, &rule->lba_min, &rule->lba_max);
	} else {
		return 0;
	}
	return err ? err : 1;
}

static int
parse_named(struct parse *p, const char *what, const struct name *names, size_t cnt, uint64_t number_max)
{
	char list[400];
	const char *word = peek(p);
	const struct name *name = word ? find(names, cnt, word) : NULL;

	if (name)
		p->rule->value = name->value;
	else if (!word || !number(word, number_max, &p->rule->value) || p->rule->value == 0)
		return fail(p, "'%s %s': a number (0x1 to 0x%llx) or one of these was meant: %s", what,
		            word ? word : "", (unsigned long long)number_max, list_of(names, cnt, list, sizeof(list)));
	p->at++;
	return 0;
}

static int
parse_status(struct parse *p)
{
	int err = parse_named(p, "status", statuses, BH_ARRAY_CNT(statuses), 0x7ff);
	const char *word = peek(p);

	if (!err && word && strcmp(word, "dnr") == 0) {
		p->rule->no_retry = true;
		p->at++;
	}
	return err;
}

/* What follows the action's word. */
static int
parse_arguments(struct parse *p, const char *word)
{
	struct nvme_fault_rule *rule = p->rule;

	switch (rule->action) {
	case NVME_FAULT_DELAY:
		return want_range(p, word, true, &rule->delay_ns_min, &rule->delay_ns_max);
	case NVME_FAULT_REORDER:
		rule->value = 1;
		return peek(p) ? want_number(p, word, 1, 65535, &rule->value) : 0;
	case NVME_FAULT_MISDIRECT:
		return want_number(p, word, 1, UINT64_MAX / 8192, &rule->value);
	case NVME_FAULT_STATUS:
		return parse_status(p);
	case NVME_FAULT_EVENT:
		return parse_named(p, word, events, BH_ARRAY_CNT(events), 0xffffff);
	default:
		break;
	}
	/* "lose 1": how often, as `times`. */
	if (!peek(p))
		return 0;
	p->repeated = true;
	return want_number(p, word, 1, UINT64_MAX - 1, &rule->times);
}

static int
parse_action(struct parse *p, const char *word)
{
	char list[400];
	const struct name *action = find(actions, BH_ARRAY_CNT(actions), word);

	if (!action && strcmp(word, "all-ones") == 0)
		action = find(actions, BH_ARRAY_CNT(actions), "remove");
	if (!action)
		return fail(p,
		            "'%s' is neither a condition (after, at, from, until, every, nth, times, p, op, queue, ns, "
		            "lba) "
		            "nor an action (%s)",
		            word, list_of(actions, BH_ARRAY_CNT(actions), list, sizeof(list)));
	p->has_action = true;
	p->rule->action = (enum nvme_fault_action)action->value;
	int err = parse_arguments(p, word);
	if (!err && peek(p))
		return fail(p, "'%s' after the action '%s': conditions come before the action", peek(p), word);
	return err;
}

static int
parse_line(struct parse *p)
{
	*p->rule = (struct nvme_fault_rule)NVME_FAULT_RULE_ANY;
	p->rule->line = p->line;
	while (p->at < p->word_cnt) {
		const char *word = p->word[p->at++];
		int found = parse_condition(p, word);
		int err = found < 0 ? found : found == 0 ? parse_action(p, word) : 0;
		if (err)
			return err;
	}
	if (!p->has_action)
		return fail(p, "a rule ends with an action: delay, lose, status, fatal, ...");
	if (p->rule->until_ns < p->rule->from_ns)
		return fail(p, "'until' is before 'from'");
	/* What happens to the whole device, or "after" and "at" something, happens once unless the rule says how often. */
	bool whole = p->rule->action >= NVME_FAULT_FATAL;
	if ((p->once || whole) && !p->repeated && !p->probable && p->rule->nth == 0)
		p->rule->times = 1;
	return 0;
}

static int
split_words(struct parse *p, char *line)
{
	char *comment = strchr(line, '#'), *rest = NULL;
	if (comment)
		*comment = '\0';
	for (char *word = strtok_r(line, " \t\r\v\f", &rest); word; word = strtok_r(NULL, " \t\r\v\f", &rest)) {
		if (p->word_cnt == WORDS_MAX)
			return fail(p, "too many words: at most %d", WORDS_MAX);
		p->word[p->word_cnt++] = word;
	}
	return 0;
}

int
nvme_fault_parse(const char *text, size_t text_bytes, const char *name, struct nvme_fault_rule *out_rules,
                 char *out_error, size_t error_bytes)
{
	struct nvme_fault_rule rule;
	uint32_t line = 0;
	int rule_cnt = 0;

	for (size_t at = 0; at < text_bytes;) {
		const char *end = memchr(text + at, '\n', text_bytes - at);
		size_t length = end ? (size_t)(end - (text + at)) : text_bytes - at;
		char copy[LINE_BYTES_MAX];
		struct parse p = {
		        .rule = &rule, .file = name, .line = ++line, .error = out_error, .error_bytes = error_bytes};

		if (length >= sizeof(copy) || memchr(text + at, '\0', length))
			return fail(&p, "a line of text of at most %u bytes was meant", LINE_BYTES_MAX - 1);
		memcpy(copy, text + at, length);
		copy[length] = '\0';
		at += length + 1;
		if (split_words(&p, copy) != 0)
			return -BH_EINVAL;
		if (p.word_cnt == 0)
			continue;
		if (parse_line(&p) != 0)
			return -BH_EINVAL;
		if (rule_cnt == (int)NVME_FAULT_RULES_MAX)
			return fail(&p, "too many rules: at most %u", NVME_FAULT_RULES_MAX);
		out_rules[rule_cnt++] = rule;
	}
	return rule_cnt;
}

const char *
nvme_fault_action_name(enum nvme_fault_action action)
{
	return (unsigned)action < NVME_FAULT_ACTION_CNT ? actions[action].name : "unknown";
}
