/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "host/compare/proof.h"

static bool
about_interrupts(const json_t *attempt)
{
	const char *target = json_string_value(json_object_get(attempt, "target"));
	return target != NULL && strncmp(target, "interrupt", 9) == 0;
}

/* Attempts on memory that got out. */
static unsigned
escapes(const json_t *root)
{
	const json_t *attempts = json_object_get(root, "attempts"), *attempt;
	unsigned cnt = 0;
	for (size_t i = 0; i < json_array_size(attempts); i++) {
		attempt = json_array_get(attempts, i);
		const char *verdict = json_string_value(json_object_get(attempt, "verdict"));
		cnt += verdict != NULL && strcmp(verdict, "escaped") == 0 && !about_interrupts(attempt);
	}
	return cnt;
}

static void
judge(struct bh_proof *proof, const json_t *root, int exit_code)
{
	unsigned escape_cnt = escapes(root);
	bool memory_held = json_is_true(json_object_get(root, "memory_held")) && escape_cnt == 0;
	bool proven = json_is_true(json_object_get(root, "proven")) && exit_code == 0;
	bool attempted = json_array_size(json_object_get(root, "attempts")) > 0;

	proof->ran = escape_cnt > 0 || (memory_held && attempted);
	proof->held = proof->ran && memory_held;
	if (escape_cnt > 0)
		snprintf(proof->text, sizeof(proof->text), "%u attempts on memory ESCAPED (prove-iommu.json)",
		         escape_cnt);
	else if (!proof->ran)
		snprintf(proof->text, sizeof(proof->text),
		         "not proven: not every attempt on memory was decided "
		         "(prove-iommu.json)");
	else if (proven)
		snprintf(proof->text, sizeof(proof->text),
		         "every attempt was held, on memory and on interrupts "
		         "(prove-iommu.json)");
	else
		snprintf(proof->text, sizeof(proof->text),
		         "every attempt on memory was held; on INTERRUPTS NOT all of them "
		         "(prove-iommu.json)");
}

void
bh_proof_read(struct bh_proof *proof, const char *text, size_t text_bytes, int exit_code)
{
	json_t *root = exit_code == 0 || exit_code == 3 ? json_loadb(text, text_bytes, 0, NULL) : NULL;
	*proof = (struct bh_proof){0};
	if (json_is_object(root))
		judge(proof, root, exit_code);
	else
		snprintf(proof->text, sizeof(proof->text),
		         "prove-iommu did not finish (exit code %d): see "
		         "prove-iommu.json.err",
		         exit_code);
	json_decref(root);
}
