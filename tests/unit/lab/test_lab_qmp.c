/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to QEMU and its answers, as its documentation writes them (QEMU: docs/interop/qmp-spec). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#include "lab/internal.h"

static void
test_no_request(void **state)
{
	assert_null(bh_lab_qmp_request("unplug nvme0", NULL)); /* the lab made no such device */
	assert_null(bh_lab_qmp_request("", "nvme,id=nvme0"));
	assert_null(bh_lab_qmp_request("quit", "nvme,id=nvme0"));
	assert_null(bh_lab_qmp_request("unplug", "nvme,id=nvme0"));
	assert_null(bh_lab_qmp_request("link-down nvme9", NULL));
	assert_null(bh_lab_qmp_request("link-", "e1000e,id=nic0"));
}

static void
expect(const char *line, const char *device, const char *json)
{
	char *text = bh_lab_qmp_request(line, device);
	assert_non_null(text);
	json_t *got = json_loads(text, 0, NULL), *wanted = json_loads(json, 0, NULL);
	assert_non_null(wanted);
	if (!json_equal(got, wanted))
		fail_msg("%s", text);
	json_decref(got);
	json_decref(wanted);
	free(text);
}

static void
test_requests(void **state)
{
	expect("unplug nvme0", "nvme,id=nvme0,bus=port0",
	       "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"nvme0\"},\"id\":\"lab\"}");
	expect("plug nvme0", "nvme,id=nvme0,bus=port0,serial=a,,b,mdts=7",
	       "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"nvme\",\"id\":\"nvme0\",\"bus\":\"port0\","
	       "\"serial\":\"a,b\",\"mdts\":\"7\"},\"id\":\"lab\"}");
	expect("link-down nic0", "e1000e,id=nic0,bus=port0",
	       "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"nic0\",\"up\":false},\"id\":\"lab\"}");
	expect("link-up nic0", "e1000e,id=nic0,bus=port0",
	       "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"nic0\",\"up\":true},\"id\":\"lab\"}");
	expect("plug nic0", "x\"},\"y,id=nic0",
	       "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x\\\"}\",\"\\\"y\":\"\",\"id\":\"nic0\"},"
	       "\"id\":\"lab\"}");
}

static bool
take(struct bh_lab_qmp *qmp, const char *text, char answer[120])
{
	return bh_lab_qmp_take(qmp, text, strlen(text), answer, 120);
}

static void
test_answers(void **state)
{
	struct bh_lab_qmp qmp = {0};
	char answer[120] = "";
	assert_false(take(&qmp, "{\"return\": {}, \"id\": \"lab\"}\r\n", answer)); /* nobody asked */
	qmp.waiting = true;
	assert_false(take(&qmp, "{\"QMP\": {\"version\": {}}}\r\n{\"return\": {}}\r\nnoise\r\n[1]\r\n\r\n", answer));
	assert_false(take(&qmp, "{\"event\": \"DEVICE_DELETED\"}\r\n{\"return\": {}, \"id\"", answer));
	assert_true(take(&qmp, ": \"lab\"}\r\n", answer));
	assert_string_equal(answer, "ok");
	assert_false(qmp.waiting);
	qmp.waiting = true;
	assert_true(take(&qmp, "{\"id\": \"lab\", \"error\": {\"class\": \"GenericError\", \"desc\": \"no such\"}}\r\n",
	                 answer));
	assert_string_equal(answer, "error no such");
}

/* A device is leaving from its unplug to the event. */
static void
test_leaving(void **state)
{
	struct bh_lab_qmp qmp = {0};
	char answer[120];
	bh_lab_qmp_sent(&qmp, "unplug nvme0");
	assert_false(bh_lab_qmp_is_leaving(&qmp, "nvme1"));
	assert_false(bh_lab_qmp_is_leaving(&qmp, ""));
	assert_true(take(&qmp, "{\"return\": {}, \"id\": \"lab\"}\n", answer));
	assert_true(bh_lab_qmp_is_leaving(&qmp, "nvme0"));
	assert_false(take(&qmp, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/x\"}}\n", answer));
	assert_false(take(&qmp, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"nvme1\"}}\n", answer));
	assert_true(bh_lab_qmp_is_leaving(&qmp, "nvme0"));
	assert_false(take(&qmp, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"nvme0\"}}\n", answer));
	assert_false(bh_lab_qmp_is_leaving(&qmp, "nvme0"));
	bh_lab_qmp_sent(&qmp, "unplug nvme0"); /* refused: it stays */
	assert_true(take(&qmp, "{\"error\": {\"desc\": \"no\"}, \"id\": \"lab\"}\n", answer));
	assert_false(bh_lab_qmp_is_leaving(&qmp, "nvme0"));
}

/* An overlong line is left out, and the next one is understood. */
static void
test_overlong(void **state)
{
	struct bh_lab_qmp qmp = {.waiting = true};
	char answer[120], text[300];
	memset(text, '{', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 40; i++)
		assert_false(take(&qmp, text, answer));
	assert_false(take(&qmp, "{\"return\": {}, \"id\": \"lab\"}\n", answer));
	assert_true(take(&qmp, "{\"return\": {}, \"id\": \"lab\"}\n", answer));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_no_request), cmocka_unit_test(test_requests), cmocka_unit_test(test_answers),
	        cmocka_unit_test(test_leaving),    cmocka_unit_test(test_overlong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
