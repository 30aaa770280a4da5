/* test_core_parts.c: the small parts of derivd: request.def, roles, presence, acknowledgements. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "base/buf.h"
#include "daemon/core/ack.h"
#include "daemon/core/presence.h"
#include "daemon/core/request.h"
#include "daemon/core/roles.h"

/* --- request.def --- */

static bool request_goes_somewhere(enum request_state s)
{
	struct request r = { .state = s };

	for (unsigned int e = 0; e < REQUEST_EVENTS; e++) {
		if (request_can(&r, (enum request_event)e))
			return true;
	}
	return false;
}

static void every_state_that_is_no_end_can_be_cancelled(void **state)
{
	for (unsigned int s = 0; s < REQUEST_STATES; s++) {
		struct request r = { .state = (enum request_state)s };
		if (!request_state_is_end(r.state))
			assert_true(request_can(&r, RE_CANCEL));
	}
	for (unsigned int s = 0; s < CREDENTIAL_STATES; s++) {
		struct credential k = { .state = (enum credential_state)s };
		bool coming = credential_state_class(k.state) == CLASS_COMING;
		if (coming || credential_state_class(k.state) == CLASS_LIVE) {
			assert_true(credential_can(&k, CE_CANCEL));
			assert_true(credential_can(&k, CE_REVOKE));
		}
	}
	assert_true(request_goes_somewhere(RS_VERIFIED));
	assert_false(request_goes_somewhere(RS_REJECTED));
}

static void a_late_certificate_is_never_overlooked(void **state)
{
	/* Whatever became of it meanwhile: if nothing has been certified yet, a certificate has a row. */
	static const enum credential_state uncertified[] = { CS_WANTED, CS_MADE, CS_CANCELLED };

	for (size_t i = 0; i < ARRAY_LEN(uncertified); i++) {
		struct credential k = { .state = uncertified[i] };
		assert_true(credential_can(&k, CE_CERTIFIED));
	}
}

static void names_are_found_again(void **state)
{
	for (unsigned int s = 0; s < REQUEST_STATES; s++) {
		enum request_state found = REQUEST_STATES;
		assert_true(request_state_find(request_state_name((enum request_state)s), &found));
		assert_int_equal(found, s);
	}
	for (unsigned int s = 0; s < CREDENTIAL_STATES; s++) {
		enum credential_state found = CREDENTIAL_STATES;
		assert_true(credential_state_find(
			credential_state_name((enum credential_state)s), &found));
		assert_int_equal(found, s);
	}
}

static void the_drawing_is_one_for_dot(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	request_print_states(out);
	fclose(out);
	assert_int_equal(strncmp(text, "digraph derivd {", 16), 0);
	assert_non_null(strstr(text, "\"credential cancelled\" -> \"credential revoking\""));
	assert_non_null(strstr(text, "\"request committed\" -> \"request verified\""));
	free(text);
}

/* --- roles --- */

static bool may(enum role r, const char *wanted)
{
	const char *command;
	size_t i = 0;

	while ((command = roles_command(r, i)) && strcmp(command, wanted) != 0)
		i++;
	assert_true(i < ROLES_COMMANDS_MAX);
	return command != NULL;
}

static void what_a_role_allows_is_said(void **state)
{
	assert_true(may(ROLE_OPERATOR, "provision, issue"));
	assert_false(may(ROLE_OPERATOR, "device revoke"));
	assert_true(may(ROLE_OFFICER, "device revoke"));
	assert_false(may(ROLE_AUDITOR, "request cancel"));
	assert_true(may(ROLE_AUDITOR, "audit verify"));
	assert_true(may(ROLE_MONITOR, "metrics"));
	assert_false(may(ROLE_MONITOR, "doctor"));
}

static void roles_come_from_groups(void **state)
{
	AUTO(settings) struct settings *s = settings_default();
	struct proc_peer peer = { .uid = 1000, .gid = 100, .n_groups = 2, .groups = { 100, 501 } };
	struct proc_peer root = { .uid = 0 };

	/* Groups that do not exist make nobody a member. */
	assert_int_equal(roles_of(s, &peer), 0);
	s->role[ROLE_OPERATOR].gid = 501;
	s->role[ROLE_OFFICER].gid = 502;
	s->role[ROLE_AUDITOR].gid = 100;
	assert_int_equal(roles_of(s, &peer), ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR));
	assert_int_equal(roles_of(s, &root), ROLE_BIT(ROLES) - 1);
}

static void a_refusal_names_the_group(void **state)
{
	AUTO(settings) struct settings *s = settings_default();
	unsigned int operator= ROLE_BIT(ROLE_OPERATOR), officer = ROLE_BIT(ROLE_OFFICER);
	unsigned int auditor = ROLE_BIT(ROLE_AUDITOR);

	assert_ok(roles_check(s, 0, MSG_STATUS));
	assert_ok(roles_check(s, operator, MSG_SESSION_OPEN));
	assert_err_text(roles_check(s, auditor, MSG_SESSION_OPEN), &ERR_DENIED, "derivd-operator");
	assert_err_text(roles_check(s, operator, MSG_DEVICE_REVOKE), &ERR_DENIED, "derivd-officer");
	assert_ok(roles_check(s, officer, MSG_DEVICE_REVOKE));
	assert_ok(roles_check(s, officer, MSG_SESSION_EVIDENCE));
	assert_ok(roles_check(s, ROLE_BIT(ROLE_MONITOR), MSG_METRICS));
	assert_ok(roles_check(s, auditor, MSG_METRICS));
	assert_err_text(roles_check(s, 0, MSG_METRICS), &ERR_DENIED, "derivd-monitor");
	assert_err(roles_check(s, ROLE_BIT(ROLE_MONITOR), MSG_LIST), &ERR_DENIED);
	assert_err_text(roles_check(s, operator, MSG_EVIDENCE_GET), &ERR_DENIED, "derivd-auditor");
	assert_err(roles_check(s, 0, MSG_LIST), &ERR_DENIED);
	assert_err(roles_check(s, 7, MSG_CA_CERTIFY), &ERR_DENIED);
	assert_ok(roles_check(s, 0, MSG_ROLES));
}

static void every_request_of_derivctl_has_a_role(void **state)
{
	AUTO(settings) struct settings *s = settings_default();
	size_t n;
	const struct msg *t = msg_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (t[i].link == LINK_CONTROL && t[i].sender == SIDE_CLIENT)
			assert_ok(roles_check(s, 7, (enum msg_number)t[i].number));
	}
}

/* --- presence --- */

static void the_newest_connection_of_a_device_counts(void **state)
{
	struct presence *p = presence_new(1000);
	const uint8_t ada[SHA256_LEN] = { 1 }, bob[SHA256_LEN] = { 2 };

	struct connection *first = presence_up(p, 10, ada, "192.0.2.1");
	assert_non_null(first);
	assert_null(presence_find(p, ada)); /* it has not said Hello */
	first->greeted = true;
	assert_ptr_equal(presence_find(p, ada), first);
	struct connection *second = presence_up(p, 11, ada, NULL);
	assert_ptr_equal(presence_find(p, ada), first);
	second->greeted = true;
	assert_ptr_equal(presence_find(p, ada), second);
	assert_null(presence_up(p, 11, bob, ""));
	assert_null(presence_up(p, 0, bob, ""));
	assert_int_equal(presence_count(p), 2);
	presence_down(p, 11);
	assert_ptr_equal(presence_find(p, ada), first);
	presence_up(p, 12, ada, "")->greeted = true;
	presence_up(p, 13, ada, "")->greeted = true;
	presence_down(p, 12);
	assert_int_equal(presence_find(p, ada)->number, 13);
	presence_down(p, 10);
	presence_down(p, 13);
	assert_null(presence_find(p, ada));
	presence_down(p, 13);
	for (unsigned int i = 0; i < 1000; i++) {
		uint8_t id[SHA256_LEN] = { (uint8_t)i, (uint8_t)(i >> 8) };
		assert_non_null(presence_up(p, 100 + i, id, ""));
	}
	assert_null(presence_up(p, 99, ada, "")); /* so many and no more */
	presence_down(p, 100);
	for (unsigned int i = 0; i < PRESENCE_SAME_MAX; i++) {
		presence_down(p, 101 + i);
		assert_non_null(presence_up(p, 2000 + i, bob, ""));
	}
	presence_down(p, 200);
	assert_null(presence_up(p, 3000, bob, ""));
	assert_non_null(presence_up(p, 3000, ada, ""));
	presence_clear(p);
	assert_int_equal(presence_count(p), 0);
	presence_free(p);
}

/* --- acknowledgements --- */

static void put(struct buf *out, uint8_t byte, size_t len)
{
	buf_add_u32(out, (uint32_t)len);
	memset(buf_grow(out, len), byte, len);
}

/* PROTOCOL.intent section 9, by hand. */
static struct buf *acknowledge(const char *detail)
{
	struct buf *b = buf_new();

	put(b, 1, SHA256_LEN);
	put(b, 2, ID_LEN);
	buf_add_u32(b, 8);
	buf_add_u64(b, 0x0102030405060708);
	put(b, 3, SHA256_LEN);
	put(b, 3, 1);
	buf_add_u32(b, (uint32_t)strlen(detail));
	buf_add_str(b, detail);
	return b;
}

static void what_devices_write_is_read(void **state)
{
	AUTO(buf) struct buf *b = acknowledge("no such key");
	struct ack a;

	assert_ok(ack_parse(buf_bytes(b), &a));
	assert_int_equal(a.number, 0x0102030405060708);
	assert_int_equal(a.status, 3);
	assert_string_equal(a.detail, "no such key");
	assert_int_equal(a.device[31], 1);
	assert_int_equal(a.item[15], 2);
	assert_int_equal(a.digest[0], 3);
}

static void other_bytes_are_refused(void **state)
{
	AUTO(buf) struct buf *b = acknowledge("x");
	struct ack a;

	for (size_t len = 0; len < buf_len(b); len++)
		assert_err(ack_parse(BYTES(buf_data(b), len), &a), &ERR_FORMAT);
	buf_add_u8(b, 0);
	assert_err(ack_parse(buf_bytes(b), &a), &ERR_FORMAT);
	AUTO(buf) struct buf *control = acknowledge("x");
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(control));
	bytes[buf_len(control) - 1] = 27;
	assert_err(ack_parse(BYTES(bytes, buf_len(control)), &a), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_that_is_no_end_can_be_cancelled),
		cmocka_unit_test(a_late_certificate_is_never_overlooked),
		cmocka_unit_test(names_are_found_again),
		cmocka_unit_test(the_drawing_is_one_for_dot),
		cmocka_unit_test(roles_come_from_groups),
		cmocka_unit_test(what_a_role_allows_is_said),
		cmocka_unit_test(a_refusal_names_the_group),
		cmocka_unit_test(every_request_of_derivctl_has_a_role),
		cmocka_unit_test(the_newest_connection_of_a_device_counts),
		cmocka_unit_test(what_devices_write_is_read),
		cmocka_unit_test(other_bytes_are_refused),
	};

	return cmocka_run_group_tests_name("core parts", tests, NULL, NULL);
}
